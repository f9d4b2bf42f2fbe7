// The memory that one run of a model needs, the shapes that it is fitted to, and the run.
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
// Of the open sizes, in their order; 0 behind them.
using Sizes = std::array<std::int64_t, kMaxSizes>;

class Session {
 public:
  // Throws std::bad_alloc or std::system_error. The model outlives the session.
  Session(const Model& model, const Kernels& kernels, std::uint32_t threads);

  // Fits the session to inputs of shapes(). False, and one sentence in `error`, if it cannot be; the session is then as
  // it was. What is needed for the sizes that were used last is kept. Throws std::bad_alloc.
  bool resize(std::string& error);

  // `inputs` and `outputs` hold as much memory as the model's tensors. Allocates nothing.
  void run(const void* const* inputs, void* const* outputs);

  // From here on counts the time of each operator, from zero; or no longer. Throws std::bad_alloc.
  void time(bool on);
  struct Spent {
    std::uint64_t nanoseconds, runs;
  };
  // By the operator of this number, since timing began.
  Spent spent(std::size_t op) const { return {nanoseconds_.empty() ? 0 : nanoseconds_[op], runs_}; }

  // At the present sizes.
  const Model& model() const { return *model_; }
  // Arrays for the shapes to fit to, and for the pointers of one run.
  Shape* shapes() { return shapes_.data(); }
  const void** inputs() { return inputs_.data(); }
  void** outputs() { return outputs_.data(); }

  // Of memory that a session of so many threads works in.
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
  std::list<Plan> plans_;  // the one used last comes first
  std::size_t bytes_ = 0;
  Memory memory_;
  std::vector<std::byte*> data_;
  std::vector<Call> calls_;           // of the operators, in their order
  std::vector<std::uint32_t> outer_;  // the tensors that see an input or output
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  std::vector<Shape> shapes_;
  std::vector<std::uint64_t> nanoseconds_;  // of each operator; empty while nothing is timed
  std::uint64_t runs_ = 0;
};

}  // namespace octavo
