#include "bindings/sketches.h"

#include <map>

#include "kernels/histogram.h"

namespace octavo {
namespace {

std::mutex registry_mutex;

std::map<std::int64_t, std::weak_ptr<Sketches>>& registry() {
  static std::map<std::int64_t, std::weak_ptr<Sketches>> all;
  return all;
}

}  // namespace

std::int64_t Sketches::publish() {
  const std::lock_guard lock(registry_mutex);
  std::erase_if(registry(), [](const auto& entry) { return entry.second.expired(); });
  static std::int64_t last = 0;
  registry()[++last] = weak_from_this();
  return last;
}

void Sketches::start(std::size_t tensor, Bins bins, const SketchState& state) {
  if (bins.size() != kBins) throw nb::value_error("the histogram has the wrong size");
  Sketch& sketch = sketches_.at(tensor);
  const std::lock_guard lock(sketch.mutex);
  sketch.bins = std::move(bins);
  std::tie(sketch.ends.low, sketch.ends.high, sketch.count, sketch.ends.nans, sketch.ends.infs) = state;
}

SketchState Sketches::state(std::size_t tensor) {
  Sketch& sketch = sketches_.at(tensor);
  const std::lock_guard lock(sketch.mutex);
  return {sketch.ends.low, sketch.ends.high, sketch.count, sketch.ends.nans, sketch.ends.infs};
}

void Sketches::take(std::size_t tensor, const float* x, std::size_t count, std::size_t first, Samples samples) {
  if (samples.count < samples.ran && first == samples.ran) count = count / samples.ran * samples.count;
  const bool divides = samples.count > 0 && count % samples.count == 0;
  const std::size_t size = divides ? count / samples.count : count;
  // Odd, so that it does not alias with the channel and row counts, which are mostly even.
  const std::size_t stride = (size + histogram_values_ - 1) / histogram_values_ | 1;
  // If every value is counted, sample boundaries do not matter.
  const std::size_t length = stride == 1 ? count : size;
  Sketch& sketch = sketches_.at(tensor);
  const std::lock_guard lock(sketch.mutex);
  if (!sketch.bins) return;
  for (std::size_t done = 0; done < count; done += length) {
    kernels_.sketch(x + done, length, stride, sketch.ends, sketch.bins->data());
  }
  sketch.count += count;
}

std::shared_ptr<Sketches> published(std::int64_t number) {
  const std::lock_guard lock(registry_mutex);
  const auto entry = registry().find(number);
  return entry == registry().end() ? nullptr : entry->second.lock();
}

}  // namespace octavo
