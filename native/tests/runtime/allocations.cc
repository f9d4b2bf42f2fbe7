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

// Memory for each of the inputs or outputs, all zeros.
template <class Buffer, class Info>
std::vector<Buffer> buffers(octavo_model* model, std::size_t count, const Info& info,
                            std::vector<std::vector<std::int64_t>>& held) {
  std::vector<Buffer> found;
  for (std::size_t i = 0; i < count; ++i) {
    octavo_tensor tensor;
    info(model, i, &tensor);
    held.emplace_back(tensor.size / sizeof(std::int64_t) + 1);
    found.push_back({held.back().data(), tensor.size});
  }
  return found;
}

bool run(octavo_model* model) {
  std::vector<std::vector<std::int64_t>> held;
  const auto inputs = buffers<octavo_input>(model, octavo_input_count(model), octavo_input_info, held);
  const auto outputs = buffers<octavo_output>(model, octavo_output_count(model), octavo_output_info, held);
  const long before = allocations;
  for (int i = 0; i < kRuns; ++i) {
    if (octavo_run(model, inputs.data(), outputs.data(), nullptr) != OCTAVO_OK) return false;
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
