// Opens and runs the bundles that the fuzzer generates, on an instruction set selected by their checksum. Large ones
// are not run: they pass the same checks, and small ones reach the same code.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/dispatch.h"
#include "octavo.h"
#include "runtime/format.h"
#include "tests/runtime/buffers.h"

extern "C" {
// Limits memory, so that large allocations fail as on a small machine.
const char* __asan_default_options() { return "allocator_may_return_null=1:max_allocation_size_mb=256"; }
}

namespace octavo {

using tests::allocate, tests::memory, tests::Memory, tests::shapes_of;

namespace {

constexpr std::size_t kLargest = 1 << 14;

void choose_instructions(const Header& header) {
  static const std::vector<const Kernels*> sets = runnable();
  setenv("OCTAVO_ISA", sets[header.checksum % sets.size()]->name, 1);
}

void run(const octavo_model* model, octavo_session* session) {
  std::vector<Memory> storage;
  std::vector<octavo_input> inputs;
  std::vector<octavo_output> outputs;
  if (allocate(session, octavo_input_count(model), octavo_session_input_info, kLargest, storage, inputs) &&
      allocate(session, octavo_output_count(model), octavo_session_output_info, kLargest, storage, outputs)) {
    octavo_session_run(session, inputs.data(), outputs.data(), nullptr);
  }
}

void try_session(const octavo_model* model) {
  octavo_session* session = nullptr;
  if (octavo_session_open(model, &session, nullptr) != OCTAVO_OK) return;
  run(model, session);
  for (const std::int64_t more : {0, 5}) {
    const auto shapes = shapes_of(model, [=](const octavo_axis& open) { return open.least + more; });
    if (octavo_session_resize(session, shapes.data(), nullptr) != OCTAVO_OK) continue;
    if (octavo_session_memory(session) <= 64 * kLargest) run(model, session);
  }
  octavo_session_close(session);
}

}  // namespace
}  // namespace octavo

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace octavo;
  const Memory bundle = memory(size);
  if (size != 0) std::memcpy(bundle.get(), data, size);
  if (size >= sizeof(Header)) {
    Header header;
    std::memcpy(&header, data, sizeof(header));
    if (header.arena_bytes > kLargest && header.arena_bytes <= kMaxBytes) return -1;
    choose_instructions(header);
  }
  octavo_model* model = nullptr;
  octavo_error error;
  if (octavo_open_memory(bundle.get(), size, &model, &error) == OCTAVO_OK) try_session(model);
  octavo_close(model);
  return 0;
}
