// The range sketches of one calibration pass, one per tensor; thread-safe.
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

// Smallest and largest finite value; counts of all values, NaN and infinities.
using SketchState = std::tuple<float, float, std::uint64_t, std::uint64_t, std::uint64_t>;
using Bins = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// The number of samples in a batch without padding (`count`) and with it (`ran`).
struct Samples {
  std::size_t count;
  std::size_t ran;
};

class Sketches : public std::enable_shared_from_this<Sketches> {
 public:
  // At most `histogram_values` values per sample and tensor enter the histogram.
  Sketches(const Kernels& kernels, std::size_t tensors, std::size_t histogram_values)
      : kernels_(kernels), histogram_values_(histogram_values), sketches_(tensors) {}
  Sketches(const Sketches&) = delete;
  Sketches& operator=(const Sketches&) = delete;

  // Registers the sketches and returns the number by which a model refers to them while they exist.
  std::int64_t publish();
  std::size_t size() const { return sketches_.size(); }
  // Starts to observe the tensor from `state`, with its histogram in `bins`; earlier values are ignored.
  void start(std::size_t tensor, Bins bins, const SketchState& state);
  SketchState state(std::size_t tensor);
  // Observes `count` values, without those of padding samples; `first` is the length of the first axis.
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
