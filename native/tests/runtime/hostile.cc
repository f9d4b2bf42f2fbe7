// Opens and runs bundles that nobody vouches for: each comes on stdin behind its size in four bytes, and is answered
// by one line. Built with sanitizers, which end the process at the first wrong step.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "octavo.h"

namespace {

constexpr std::size_t kAlignment = 64;

struct Free {
  void operator()(void* p) const { std::free(p); }
};

// No byte beyond its end is the process's own.
using Memory = std::unique_ptr<char, Free>;

Memory memory(std::size_t size) {
  void* found = nullptr;
  return Memory(posix_memalign(&found, kAlignment, size) == 0 ? static_cast<char*>(found) : nullptr);
}

template <class Buffer, class Info>
bool give(octavo_model* model, std::size_t count, const Info& info, std::vector<Memory>& held,
          std::vector<Buffer>& buffers) {
  for (std::size_t i = 0; i < count; ++i) {
    octavo_tensor tensor;
    info(model, i, &tensor);
    held.push_back(memory(tensor.size));
    if (held.back() == nullptr) return false;
    for (std::size_t at = 0; at < tensor.size; ++at) held.back().get()[at] = static_cast<char>(at * 37);
    buffers.push_back({held.back().get(), tensor.size});
  }
  return true;
}

void try_bundle(const char* data, std::size_t size) {
  octavo_model* model = nullptr;
  octavo_error error;
  if (octavo_open_memory(data, size, &model, &error) != OCTAVO_OK) {
    std::printf("refused: %s\n", error.message);
    return;
  }
  std::vector<Memory> held;
  std::vector<octavo_input> inputs;
  std::vector<octavo_output> outputs;
  const bool given = give(model, octavo_input_count(model), octavo_input_info, held, inputs) &&
                     give(model, octavo_output_count(model), octavo_output_info, held, outputs);
  const bool ran = given && octavo_run(model, inputs.data(), outputs.data(), &error) == OCTAVO_OK;
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
