// The range sketches that one pass over a model fills, a tensor each, from any thread.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <vector>

#include "kernels/kernels.h"

namespace octavo {

namespace nb = nanobind;

// Smallest and largest finite value; how many values were seen, were NaN, were infinite.
using SketchState = std::tuple<float, float, std::uint64_t, std::uint64_t, std::uint64_t>;
using Bins = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// A batch: how many samples count, and how many ran, padding among them.
struct Samples {
  std::size_t count;
  std::size_t ran;
};

class Sketches : public std::enable_shared_from_this<Sketches> {
 public:
  // Of each sample of a tensor, at most so many values enter the histogram.
  Sketches(const Kernels& kernels, std::size_t tensors, std::size_t histogram_values)
      : kernels_(kernels), histogram_values_(histogram_values), sketches_(tensors) {}
  Sketches(const Sketches&) = delete;
  Sketches& operator=(const Sketches&) = delete;

  // A number that stands for the sketches in a model, for as long as they live.
  std::int64_t publish();
  std::size_t size() const { return sketches_.size(); }
  // From here on `bins` is written and the state goes on; what a tensor shows before that is not taken in.
  void start(std::size_t tensor, Bins bins, const SketchState& state);
  SketchState state(std::size_t tensor);
  // Of `count` values whose first axis has `first` entries, those of the samples that count.
  void take(std::size_t tensor, const float* x, std::size_t count, std::size_t first, Samples samples);

 private:
  struct Sketch {
    std::mutex mutex;
    std::optional<Bins> bins;
    Ends ends{};
    std::uint64_t count = 0;
  };

  const Kernels& kernels_;
  std::size_t histogram_values_;
  std::vector<Sketch> sketches_;
};

// Null if no sketches were published under that number or they no longer exist.
std::shared_ptr<Sketches> published(std::int64_t number);

}  // namespace octavo
