// Python bindings of the runtime, through its C ABI.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/fit.h"
#include "octavo.h"

namespace octavo {

namespace nb = nanobind;

using InputArray = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using OutputArray = nb::ndarray<nb::c_contig, nb::device::cpu>;
// Name, element type (octavo_dtype), shape, and the size name of cost axis (octavo_axis), if it has one.
using Spec = std::tuple<std::string, int, std::vector<std::int64_t>, std::vector<std::optional<std::string>>>;

// An operator's name and kind, timed runs and their total nanoseconds; bytes and multiply-adds per run.
using Cost = std::tuple<std::string, std::string, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>;

inline void succeed(octavo_status status, const octavo_error& error) {
  if (status != OCTAVO_OK) throw nb::value_error(error.message);
}

class BundleModel {
 public:
  explicit BundleModel(const std::string& path) {
    octavo_error error;
    succeed(octavo_open(path.c_str(), &model_, &error), error);
  }
  BundleModel(const BundleModel&) = delete;
  BundleModel& operator=(const BundleModel&) = delete;
  ~BundleModel() { octavo_close(model_); }

  std::vector<Spec> inputs() const { return specs(octavo_input_count(model_), octavo_input_info, octavo_input_axis); }
  std::vector<Spec> outputs() const {
    return specs(octavo_output_count(model_), octavo_output_info, octavo_output_axis);
  }
  const octavo_model* get() const { return model_; }

 private:
  template <class Info, class Axis>
  std::vector<Spec> specs(std::size_t count, const Info& info, const Axis& axis) const {
    std::vector<Spec> results;
    for (std::size_t i = 0; i < count; ++i) {
      octavo_tensor tensor;
      info(model_, i, &tensor);
      std::vector<std::optional<std::string>> names(tensor.rank);
      for (std::size_t j = 0; j < names.size(); ++j) {
        octavo_axis one;
        axis(model_, i, j, &one);
        if (one.name != nullptr) names[j] = one.name;
      }
      results.emplace_back(tensor.name, tensor.dtype, std::vector(tensor.shape, tensor.shape + tensor.rank), names);
    }
    return results;
  }

  octavo_model* model_ = nullptr;
};

// Thread-safe: runs are serialized.
class BundleSession {
 public:
  BundleSession(const BundleModel& model, std::uint32_t threads) {
    octavo_error error;
    octavo_session_options options{};
    options.size = sizeof(options);
    options.threads = threads;
    succeed(octavo_session_open_with(model.get(), &options, &session_, &error), error);
    fit_ = std::make_shared<const Fit>(tensors_of(session_, 0));
  }
  BundleSession(const BundleSession&) = delete;
  BundleSession& operator=(const BundleSession&) = delete;
  ~BundleSession() { octavo_session_close(session_); }

  // The shapes of the outputs for inputs of these shapes.
  std::vector<std::vector<std::int64_t>> resize(const std::vector<std::vector<std::int64_t>>& inputs) {
    std::vector<octavo_shape> shapes;
    for (const auto& dims : inputs) {
      octavo_shape shape{static_cast<std::uint32_t>(dims.size()), {}};
      std::copy_n(dims.begin(), std::min<std::size_t>(dims.size(), OCTAVO_MAX_RANK), shape.dims);
      shapes.push_back(shape);
    }
    const Tensors now = resized(shapes);
    auto fit = std::make_shared<const Fit>(now);
    if (now.number == fits_) fit_ = std::move(fit);
    std::vector<std::vector<std::int64_t>> results;
    for (const octavo_tensor& tensor : now.outputs) results.emplace_back(tensor.shape, tensor.shape + tensor.rank);
    return results;
  }

  // Runs on arrays in the order of the inputs and returns the output, or a tuple of several; None if the arrays do not
  // match the session's shapes exactly or the session is busy.
  nb::object run_quickly(const nb::tuple& arrays) {
    const std::shared_ptr<const Fit> fit = fit_;
    FastRun fast_run;
    if (arrays.size() != fit->inputs() || !fit->is_small()) return nb::none();
    if (!fast_run.prepare(*fit, [&](std::size_t i) { return PyTuple_GET_ITEM(arrays.ptr(), i); })) return nb::none();
    if (!finish(*fit, fast_run)) return nb::none();
    if (fit->outputs() == 1) return fast_run.result(0);
    nb::list results;
    for (std::size_t i = 0; i < fit->outputs(); ++i) results.append(fast_run.result(i));
    return nb::tuple(results);
  }

  // The same with dictionaries by name for inputs and outputs.
  nb::object run_feeds_quickly(const nb::handle& feeds) {
    const std::shared_ptr<const Fit> fit = fit_;
    FastRun fast_run;
    if (!PyDict_CheckExact(feeds.ptr()) || nb::len(feeds) != fit->inputs() || !fit->is_small()) return nb::none();
    if (!fast_run.prepare(*fit, [&](std::size_t i) { return PyDict_GetItem(feeds.ptr(), fit->input_name(i).ptr()); })) {
      return nb::none();
    }
    if (!finish(*fit, fast_run)) return nb::none();
    nb::dict results;
    for (std::size_t i = 0; i < fit->outputs(); ++i) results[fit->output_name(i)] = fast_run.result(i);
    return results;
  }

  void time(bool on) {
    const auto one = lock();
    octavo_error error;
    succeed(octavo_session_time(session_, on, &error), error);
  }

  std::vector<Cost> operators() {
    const auto one = lock();
    std::vector<Cost> results;
    for (std::size_t i = 0; i < octavo_operator_count(session_); ++i) {
      octavo_operator info;
      octavo_operator_info(session_, i, &info);
      results.emplace_back(info.name, info.kind, info.runs, info.nanoseconds, info.bytes, info.multiply_adds);
    }
    return results;
  }

  std::size_t memory_bytes() const { return octavo_session_memory(session_); }

  void run(const std::vector<InputArray>& inputs, const std::vector<OutputArray>& outputs) {
    std::vector<octavo_input> from;
    std::vector<octavo_output> to;
    for (const InputArray& array : inputs) from.push_back({array.data(), array.nbytes()});
    for (const OutputArray& array : outputs) to.push_back({array.data(), array.nbytes()});
    octavo_error error;
    octavo_status status;
    {
      nb::gil_scoped_release others;
      const std::lock_guard one(mutex_);
      status = octavo_session_run(session_, from.data(), to.data(), &error);
    }
    succeed(status, error);
  }

 private:
  // To avoid deadlock, the GIL is released while waiting, and no Python code runs while the mutex is locked.
  std::unique_lock<std::mutex> lock() {
    std::unique_lock one(mutex_, std::try_to_lock);
    if (!one.owns_lock()) {
      const nb::gil_scoped_release others;
      one.lock();
    }
    return one;
  }

  Tensors resized(const std::vector<octavo_shape>& shapes) {
    const auto one = lock();
    octavo_error error;
    succeed(octavo_session_resize(session_, shapes.data(), &error), error);
    return tensors_of(session_, ++fits_);
  }

  bool finish(const Fit& fit, const FastRun& fast_run) {
    const std::unique_lock one(mutex_, std::try_to_lock);
    return one.owns_lock() && fit.number() == fits_ && fast_run.run(session_);
  }

  octavo_session* session_ = nullptr;
  std::mutex mutex_;
  unsigned long fits_ = 0;
  std::shared_ptr<const Fit> fit_;
};

inline void define_runtime(nb::module_& module) {
  using namespace nb::literals;
  nb::class_<BundleModel>(module, "BundleModel")
      .def(nb::init<const std::string&>(), "path"_a)
      .def_prop_ro("inputs", &BundleModel::inputs)
      .def_prop_ro("outputs", &BundleModel::outputs);
  nb::class_<BundleSession>(module, "BundleSession")
      .def(nb::init<const BundleModel&, std::uint32_t>(), "model"_a, "threads"_a = 1, nb::keep_alive<1, 2>())
      .def("resize", &BundleSession::resize, "inputs"_a)
      .def("time", &BundleSession::time, "on"_a)
      .def("operators", &BundleSession::operators)
      .def_prop_ro("memory_bytes", &BundleSession::memory_bytes)
      .def("run", &BundleSession::run, "inputs"_a, "outputs"_a)
      .def("run_quickly", &BundleSession::run_quickly, "arrays"_a)
      .def("run_feeds_quickly", &BundleSession::run_feeds_quickly, "feeds"_a);
}

}  // namespace octavo
