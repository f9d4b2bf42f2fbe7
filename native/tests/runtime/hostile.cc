// Opens and runs untrusted bundles. Reads them from stdin, each preceded by its size in four bytes, and prints one
// line for each. Built with sanitizers, which abort at the first error.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "octavo.h"
#include "tests/runtime/buffers.h"

using octavo::tests::allocate, octavo::tests::memory, octavo::tests::Memory, octavo::tests::shapes_of;

namespace {

// Lengths of dynamic axes, different enough from the compiled ones to need new plans, if the bundle's bounds allow.
constexpr std::int64_t kTries[] = {1, 2, 5, 17};
// Limit of all inputs, and of all outputs, so that bundles with gigabytes of them take no time.
constexpr std::size_t kMostBytes = 1 << 24;

template <class Info>
bool is_small(const octavo_session* session, std::size_t count, const Info& info) {
  std::size_t bytes = 0;
  octavo_tensor tensor;
  for (std::size_t i = 0; i < count; ++i) bytes += info(session, i, &tensor) == OCTAVO_OK ? tensor.size : 0;
  return bytes <= kMostBytes;
}

// Runs at other sizes than the bundle was compiled at, if it accepts them.
void try_sizes(const octavo_model* model) {
  octavo_session* session = nullptr;
  if (octavo_session_open(model, &session, nullptr) != OCTAVO_OK) return;
  const std::size_t inputs = octavo_input_count(model), outputs = octavo_output_count(model);
  for (const std::int64_t length : kTries) {
    const auto shapes = shapes_of(model, [=](const octavo_axis&) { return length; });
    if (octavo_session_resize(session, shapes.data(), nullptr) != OCTAVO_OK) continue;
    if (!is_small(session, inputs, octavo_session_input_info)) continue;
    if (!is_small(session, outputs, octavo_session_output_info)) continue;
    std::vector<Memory> storage;
    std::vector<octavo_input> from;
    std::vector<octavo_output> to;
    const bool allocated = allocate(session, inputs, octavo_session_input_info, octavo::kMaxBytes, storage, from) &&
                           allocate(session, outputs, octavo_session_output_info, octavo::kMaxBytes, storage, to);
    if (allocated) octavo_session_run(session, from.data(), to.data(), nullptr);
  }
  octavo_session_close(session);
}

void try_bundle(const char* data, std::size_t size) {
  octavo_model* model = nullptr;
  octavo_error error;
  if (octavo_open_memory(data, size, &model, &error) != OCTAVO_OK) {
    std::printf("refused: %s\n", error.message);
    return;
  }
  std::vector<Memory> storage;
  std::vector<octavo_input> inputs;
  std::vector<octavo_output> outputs;
  const bool allocated =
      allocate(model, octavo_input_count(model), octavo_input_info, octavo::kMaxBytes, storage, inputs) &&
      allocate(model, octavo_output_count(model), octavo_output_info, octavo::kMaxBytes, storage, outputs);
  const bool ran = allocated && octavo_run(model, inputs.data(), outputs.data(), &error) == OCTAVO_OK;
  if (ran) try_sizes(model);
  std::printf(ran ? "ran\n" : "not run\n");
  octavo_close(model);
}

}  // namespace

int main() {
  std::uint32_t size;
  while (std::fread(&size, sizeof(size), 1, stdin) == 1) {
    const Memory data = memory(size == 0 ? 1 : size);
    if (std::fread(data.get(), 1, size, stdin) != size) return 2;
    try_bundle(data.get(), size);
    std::fflush(stdout);
  }
}
