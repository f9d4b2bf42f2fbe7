// Counts what a run of a bundle allocates: allocations MODEL.oct THREADS. Prints the count at opening and of the runs.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "octavo.h"

extern "C" {
// The C library's own, which these stand in front of for everything in the process.
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

static std::atomic<long> allocations = 0;

void* malloc(std::size_t size) { return ++allocations, __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) { return ++allocations, __libc_calloc(count, size); }
void* realloc(void* p, std::size_t size) { return ++allocations, __libc_realloc(p, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return ++allocations, __libc_memalign(alignment, size); }
}

namespace {

constexpr int kRuns = 10;

bool run(const octavo_model* model, octavo_session* session) {
  octavo_tensor from, to;
  octavo_input_info(model, 0, &from);
  octavo_output_info(model, 0, &to);
  std::vector<float> input(from.size / sizeof(float)), output(to.size / sizeof(float));
  const octavo_input inputs[] = {{input.data(), from.size}};
  const octavo_output outputs[] = {{output.data(), to.size}};
  const long before = allocations;
  for (int i = 0; i < kRuns; ++i) {
    if (octavo_session_run(session, inputs, outputs, nullptr) != OCTAVO_OK) return false;
  }
  const long made = allocations - before;
  std::printf("%ld\n", made);
  return true;
}

}  // namespace

int main(int, char** arguments) {
  octavo_model* model;
  octavo_session* session;
  octavo_session_options options{};
  options.size = sizeof(options);
  options.threads = static_cast<std::uint32_t>(std::atoi(arguments[2]));
  const long before = allocations;
  if (octavo_open(arguments[1], &model, nullptr) != OCTAVO_OK) return 2;
  if (octavo_session_open_with(model, &options, &session, nullptr) != OCTAVO_OK) return 2;
  std::printf("%ld ", allocations - before);
  const bool done = run(model, session);
  octavo_session_close(session);
  octavo_close(model);
  return done ? 0 : 2;
}
