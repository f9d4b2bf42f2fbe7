// Input and output buffers with detectable overruns, and input shapes of other sizes, for running untrusted bundles.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "octavo.h"
#include "runtime/format.h"

namespace octavo::tests {

struct Free {
  void operator()(void* p) const { std::free(p); }
};

// A separate heap block, so that the address sanitizer detects accesses beyond its end.
using Memory = std::unique_ptr<char, Free>;

inline Memory memory(std::size_t size) {
  void* memory = nullptr;
  return Memory(posix_memalign(&memory, kAlignment, size) == 0 ? static_cast<char*>(memory) : nullptr);
}

// Allocates the inputs or outputs of a model or session; false if one exceeds `most` bytes or allocation fails.
template <class Buffer, class Source, class Info>
bool allocate(const Source* source, std::size_t count, const Info& info, std::size_t most, std::vector<Memory>& storage,
              std::vector<Buffer>& buffers) {
  for (std::size_t i = 0; i < count; ++i) {
    octavo_tensor tensor;
    info(source, i, &tensor);
    if (tensor.size > most) return false;
    storage.push_back(memory(tensor.size));
    if (storage.back() == nullptr) return false;
    for (std::size_t at = 0; at < tensor.size; ++at) storage.back().get()[at] = static_cast<char>(at * 37);
    buffers.push_back({storage.back().get(), tensor.size});
  }
  return true;
}

// The shapes of the inputs, with length_of(axis) for every dynamic axis.
template <class Length>
std::vector<octavo_shape> shapes_of(const octavo_model* model, const Length& length_of) {
  std::vector<octavo_shape> shapes;
  for (std::size_t i = 0; i < octavo_input_count(model); ++i) {
    octavo_tensor tensor;
    octavo_input_info(model, i, &tensor);
    octavo_shape shape{tensor.rank, {}};
    for (std::uint32_t axis = 0; axis < tensor.rank; ++axis) {
      octavo_axis open;
      octavo_input_axis(model, i, axis, &open);
      shape.dims[axis] = open.name == nullptr ? tensor.shape[axis] : length_of(open);
    }
    shapes.push_back(shape);
  }
  return shapes;
}

}  // namespace octavo::tests
