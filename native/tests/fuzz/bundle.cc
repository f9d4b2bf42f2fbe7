// Opens and runs whatever bundle the fuzzer makes up, on an instruction set that its checksum chooses. What is large is
// not run: sizes are checked alike, and small ones reach as far.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/dispatch.h"
#include "octavo.h"
#include "runtime/format.h"

extern "C" {
// So that a bundle that asks for much memory is answered as on a machine that has little.
const char* __asan_default_options() { return "allocator_may_return_null=1:max_allocation_size_mb=256"; }
}

namespace octavo {
namespace {

constexpr std::size_t kLargest = 1 << 14;

struct Free {
  void operator()(void* p) const { std::free(p); }
};

// No byte beyond its end is the process's own.
using Memory = std::unique_ptr<char, Free>;

Memory memory(std::size_t size) {
  void* found = nullptr;
  const bool made = posix_memalign(&found, kAlignment, size) == 0;
  return Memory(made ? static_cast<char*>(found) : nullptr);
}

void choose_instructions(const Header& header) {
  static const std::vector<const Kernels*> sets = runnable();
  setenv("OCTAVO_ISA", sets[header.checksum % sets.size()]->name, 1);
}

// False if one is large.
template <class Buffer, class Info>
bool give(const octavo_session* session, std::size_t count, const Info& info, std::vector<Memory>& held,
          std::vector<Buffer>& buffers) {
  for (std::size_t i = 0; i < count; ++i) {
    octavo_tensor tensor;
    info(session, i, &tensor);
    if (tensor.size > kLargest) return false;
    held.push_back(memory(tensor.size));
    for (std::size_t at = 0; at < tensor.size; ++at) held.back().get()[at] = static_cast<char>(at * 37);
    buffers.push_back({held.back().get(), tensor.size});
  }
  return true;
}

void run(const octavo_model* model, octavo_session* session) {
  std::vector<Memory> held;
  std::vector<octavo_input> inputs;
  std::vector<octavo_output> outputs;
  if (give(session, octavo_input_count(model), octavo_session_input_info, held, inputs) &&
      give(session, octavo_output_count(model), octavo_session_output_info, held, outputs)) {
    octavo_session_run(session, inputs.data(), outputs.data(), nullptr);
  }
}

// Inputs whose open axes are of another length than they were compiled at.
std::vector<octavo_shape> other_shapes(const octavo_model* model, std::int64_t more) {
  std::vector<octavo_shape> shapes;
  for (std::size_t i = 0; i < octavo_input_count(model); ++i) {
    octavo_tensor tensor;
    octavo_input_info(model, i, &tensor);
    octavo_shape shape{tensor.rank, {}};
    for (std::uint32_t axis = 0; axis < tensor.rank; ++axis) {
      octavo_axis open;
      octavo_input_axis(model, i, axis, &open);
      shape.dims[axis] = open.name == nullptr ? tensor.shape[axis] : open.least + more;
    }
    shapes.push_back(shape);
  }
  return shapes;
}

void try_session(const octavo_model* model) {
  octavo_session* session = nullptr;
  if (octavo_session_open(model, &session, nullptr) != OCTAVO_OK) return;
  run(model, session);
  for (const std::int64_t more : {0, 5}) {
    const auto shapes = other_shapes(model, more);
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
