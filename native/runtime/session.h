// The memory that one run of a model needs, and the run.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/kernels.h"
#include "runtime/model.h"
#include "runtime/op.h"
#include "runtime/pool.h"

namespace octavo {

class Session {
 public:
  // Throws std::bad_alloc or std::system_error. The model outlives the session.
  Session(const Model& model, const Kernels& kernels, std::uint32_t threads);

  // `inputs` and `outputs` hold as much memory as the model's tensors. Allocates nothing.
  void run(const void* const* inputs, void* const* outputs);

  // From here on counts the time of each operator, from zero; or no longer. Throws std::bad_alloc.
  void time(bool on);
  struct Spent {
    std::uint64_t nanoseconds, runs;
  };
  // By the operator of this number, since timing began.
  Spent spent(std::size_t op) const { return {nanoseconds_.empty() ? 0 : nanoseconds_[op], runs_}; }

  const Model& model() const { return model_; }
  // Arrays for the pointers of one run.
  const void** inputs() { return inputs_.data(); }
  void** outputs() { return outputs_.data(); }

  // Of memory that a session of so many threads works in.
  static std::size_t bytes(const Model& model, std::size_t threads);
  std::size_t bytes() const { return bytes_; }

 private:
  void run_timed(const Staff& staff);

  struct Free {
    void operator()(std::byte* p) const;
  };

  const Model& model_;
  const Kernels& kernels_;
  Pool pool_;
  const std::size_t bytes_;
  std::unique_ptr<std::byte, Free> memory_;
  std::vector<std::byte*> data_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  std::vector<std::uint64_t> nanoseconds_;  // of each operator; empty while nothing is timed
  std::uint64_t runs_ = 0;
};

}  // namespace octavo
