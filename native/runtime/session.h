// A session: arena, scratch and threads of one caller's runs, at the input shapes that it is fitted to.
#pragma once

#include <array>
#include <cstddef>
#include <list>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "runtime/aligned_memory.h"
#include "runtime/model.h"
#include "runtime/op.h"
#include "runtime/pool.h"

namespace octavo {

struct Shape {
  std::int64_t rank;
  const std::int64_t* dims;
};
// Values of the dynamic sizes, in their order; unused entries are 0.
using Sizes = std::array<std::int64_t, kMaxSizes>;

class Session {
 public:
  // Throws std::bad_alloc or std::system_error. The model outlives the session.
  Session(const Model& model, const Kernels& kernels, std::uint32_t threads);

  // Fits the session to inputs of shapes(). On failure returns false with one sentence in `error` and changes nothing.
  // Plans for the most recently used sizes are cached. Throws std::bad_alloc.
  bool resize(std::string& error);

  // `inputs` and `outputs` hold as much memory as the model's tensors. Allocates nothing.
  void run(const void* const* inputs, void* const* outputs);

  // Starts timing each operator from zero, or stops it. Throws std::bad_alloc.
  void time(bool on);
  struct Spent {
    std::uint64_t nanoseconds, runs;
  };
  // Time and runs of an operator since timing started.
  Spent spent(std::size_t op) const { return {nanoseconds_.empty() ? 0 : nanoseconds_[op], runs_}; }

  // The model at the current sizes.
  const Model& model() const { return *model_; }
  // Buffers for the shapes of resize and the pointers of run.
  Shape* shapes() { return shapes_.data(); }
  const void** inputs() { return inputs_.data(); }
  void** outputs() { return outputs_.data(); }

  // Memory that a session with this many threads allocates.
  static std::size_t bytes(const Model& model, std::size_t threads);
  std::size_t bytes() const { return bytes_; }

 private:
  // The model at other sizes than it was compiled at.
  struct Plan {
    Sizes sizes;
    Model model;
  };

  const Model* model_at(const Sizes& sizes, std::string& error);
  void attach(const Model& model);
  void run_timed();

  const Model& compiled_;
  const Sizes compiled_at_;
  const Model* model_ = nullptr;
  const Kernels& kernels_;
  Pool pool_;
  Workspace workspace_{pool_, nullptr, 0};
  std::list<Plan> plans_;  // most recently used first
  std::size_t bytes_ = 0;
  Memory memory_;
  std::vector<std::byte*> data_;
  std::vector<Call> calls_;           // of the operators, in their order
  std::vector<std::uint32_t> outer_;  // tensors that are inputs or outputs, or views of them
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  std::vector<Shape> shapes_;
  std::vector<std::uint64_t> nanoseconds_;  // of each operator; empty while nothing is timed
  std::uint64_t runs_ = 0;
};

}  // namespace octavo
