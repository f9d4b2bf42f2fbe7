// Counts what a run of a bundle allocates: allocations MODEL.oct. Prints the count at opening and that of the runs.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "octavo.h"

extern "C" {
// The C library's own, which these stand in front of for everything in the process.
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

static long allocations = 0;

void* malloc(std::size_t size) { return ++allocations, __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) { return ++allocations, __libc_calloc(count, size); }
void* realloc(void* p, std::size_t size) { return ++allocations, __libc_realloc(p, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return ++allocations, __libc_memalign(alignment, size); }
}

namespace {

constexpr int kRuns = 10;

bool run(octavo_model* model) {
  octavo_tensor from, to;
  octavo_input_info(model, 0, &from);
  octavo_output_info(model, 0, &to);
  std::vector<float> input(from.size / sizeof(float)), output(to.size / sizeof(float));
  const octavo_input inputs[] = {{input.data(), from.size}};
  const octavo_output outputs[] = {{output.data(), to.size}};
  const long before = allocations;
  for (int i = 0; i < kRuns; ++i) {
    if (octavo_run(model, inputs, outputs, nullptr) != OCTAVO_OK) return false;
  }
  const long made = allocations - before;
  std::printf("%ld\n", made);
  return true;
}

}  // namespace

int main(int, char** arguments) {
  octavo_model* model;
  const long before = allocations;
  if (octavo_open(arguments[1], &model, nullptr) != OCTAVO_OK) return 2;
  std::printf("%ld ", allocations - before);
  const bool done = run(model);
  octavo_close(model);
  return done ? 0 : 2;
}
