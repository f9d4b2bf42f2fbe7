// Counts the allocations of a bundle's runs: allocations MODEL.oct THREADS [fixed]. Prints the count of opening, of a
// first round at two lengths of the first axis, and of a second round at the same; with `fixed`, at the fixed size.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "octavo.h"

extern "C" {
// The allocators of the C library, which the functions below wrap for the whole process.
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

// Zero-filled memory for the inputs or outputs.
template <class Buffer, class Info>
std::vector<Buffer> buffers(const octavo_session* session, std::size_t count, const Info& info,
                            std::vector<std::vector<std::int64_t>>& storage) {
  std::vector<Buffer> buffers;
  for (std::size_t i = 0; i < count; ++i) {
    octavo_tensor tensor;
    info(session, i, &tensor);
    storage.emplace_back(tensor.size / sizeof(std::int64_t) + 1);
    buffers.push_back({storage.back().data(), tensor.size});
  }
  return buffers;
}

// Adds the allocations of several runs to `count`.
bool count_runs(const octavo_model* model, octavo_session* session, long& count) {
  std::vector<std::vector<std::int64_t>> storage;
  const auto inputs = buffers<octavo_input>(session, octavo_input_count(model), octavo_session_input_info, storage);
  const auto outputs = buffers<octavo_output>(session, octavo_output_count(model), octavo_session_output_info, storage);
  const long before = allocations;
  for (int i = 0; i < kRuns; ++i) {
    if (octavo_session_run(session, inputs.data(), outputs.data(), nullptr) != OCTAVO_OK) return false;
  }
  count += allocations - before;
  return true;
}

// The same, including a resize of the first axis of the only input to `length`.
bool count_at(const octavo_model* model, octavo_session* session, std::int64_t length, long& count) {
  octavo_tensor from;
  octavo_session_input_info(session, 0, &from);
  octavo_shape shape{from.rank, {}};
  for (std::uint32_t axis = 0; axis < from.rank; ++axis) shape.dims[axis] = axis == 0 ? length : from.shape[axis];
  const long before = allocations;
  if (octavo_session_resize(session, &shape, nullptr) != OCTAVO_OK) return false;
  count += allocations - before;
  return count_runs(model, session, count);
}

// Two rounds: the first makes a plan for every length, the second must find all of them.
bool run(const octavo_model* model, octavo_session* session, bool fixed) {
  for (int round = 0; round < 2; ++round) {
    long count = 0;
    if (fixed && !count_runs(model, session, count)) return false;
    for (const std::int64_t length : {kLong, kShort}) {
      if (!fixed && !count_at(model, session, length, count)) return false;
    }
    std::printf("%ld ", count);
  }
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  octavo_model* model;
  octavo_session* session;
  octavo_session_options options{};
  options.size = sizeof(options);
  options.threads = static_cast<std::uint32_t>(std::atoi(arguments[2]));
  const long before = allocations;
  if (octavo_open(arguments[1], &model, nullptr) != OCTAVO_OK) return 2;
  if (octavo_session_open_with(model, &options, &session, nullptr) != OCTAVO_OK) return 2;
  std::printf("%ld ", allocations - before);
  const bool done = run(model, session, count > 3);
  octavo_session_close(session);
  octavo_close(model);
  return done ? 0 : 2;
}
