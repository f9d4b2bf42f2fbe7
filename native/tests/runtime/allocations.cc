// Counts what runs of a bundle of one open size allocate: allocations MODEL.oct THREADS. Prints the count at opening,
// at two lengths that are new, and at the same when they are known.
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
constexpr std::int64_t kLong = 100000, kShort = 70000;

// The count of what runs at this length of the first axis allocate, the session being fitted to it among them.
bool count_runs(octavo_session* session, octavo_shape shape, std::int64_t length, long& made) {
  octavo_tensor from, to;
  shape.dims[0] = length;
  const long begin = allocations;
  if (octavo_session_resize(session, &shape, nullptr) != OCTAVO_OK) return false;
  const long fitted = allocations - begin;
  octavo_session_input_info(session, 0, &from);
  octavo_session_output_info(session, 0, &to);
  std::vector<float> input(from.size / sizeof(float)), output(to.size / sizeof(float));
  const octavo_input inputs[] = {{input.data(), from.size}};
  const octavo_output outputs[] = {{output.data(), to.size}};
  const long before = allocations;
  for (int i = 0; i < kRuns; ++i) {
    if (octavo_session_run(session, inputs, outputs, nullptr) != OCTAVO_OK) return false;
  }
  made = allocations - before + fitted;
  return true;
}

bool run(octavo_session* session) {
  octavo_tensor from;
  octavo_session_input_info(session, 0, &from);
  octavo_shape shape{from.rank, {}};
  for (std::uint32_t axis = 0; axis < from.rank; ++axis) shape.dims[axis] = from.shape[axis];
  // The first time at each length, plans are made; the second time there is nothing to do.
  long first = 0, second = 0;
  for (const std::int64_t length : {kLong, kShort}) {
    long made = 0;
    if (!count_runs(session, shape, length, made)) return false;
    first += made;
  }
  for (const std::int64_t length : {kLong, kShort}) {
    long made = 0;
    if (!count_runs(session, shape, length, made)) return false;
    second += made;
  }
  std::printf("%ld %ld\n", first, second);
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
  const bool done = run(session);
  octavo_session_close(session);
  octavo_close(model);
  return done ? 0 : 2;
}
