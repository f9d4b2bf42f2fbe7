// The runtime as Python sees it, through its C ABI.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "octavo.h"

namespace octavo {

namespace nb = nanobind;

using Given = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
using Made = nb::ndarray<nb::c_contig, nb::device::cpu>;
// Name, element type as octavo_dtype numbers it, shape, and of each axis the name of its size, as octavo_axis has it.
using Spec = std::tuple<std::string, int, std::vector<std::int64_t>, std::vector<std::optional<std::string>>>;

// An operator's name and kind, runs that were timed, their nanoseconds; and of one run bytes and multiply-adds.
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
    std::vector<Spec> found;
    for (std::size_t i = 0; i < count; ++i) {
      octavo_tensor tensor;
      info(model_, i, &tensor);
      std::vector<std::optional<std::string>> names(tensor.rank);
      for (std::size_t j = 0; j < names.size(); ++j) {
        octavo_axis one;
        axis(model_, i, j, &one);
        if (one.name != nullptr) names[j] = one.name;
      }
      found.emplace_back(tensor.name, tensor.dtype, std::vector(tensor.shape, tensor.shape + tensor.rank), names);
    }
    return found;
  }

  octavo_model* model_ = nullptr;
};

// Threads may call it: one runs, the others wait.
class BundleSession {
 public:
  BundleSession(const BundleModel& model, std::uint32_t threads) {
    octavo_error error;
    octavo_session_options options{};
    options.size = sizeof(options);
    options.threads = threads;
    succeed(octavo_session_open_with(model.get(), &options, &session_, &error), error);
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
    const std::lock_guard one(mutex_);
    octavo_error error;
    succeed(octavo_session_resize(session_, shapes.data(), &error), error);
    std::vector<std::vector<std::int64_t>> found;
    octavo_tensor info;
    while (octavo_session_output_info(session_, found.size(), &info) == OCTAVO_OK) {
      found.emplace_back(info.shape, info.shape + info.rank);
    }
    return found;
  }

  void time(bool on) {
    const std::lock_guard one(mutex_);
    octavo_error error;
    succeed(octavo_session_time(session_, on, &error), error);
  }

  std::vector<Cost> operators() {
    const std::lock_guard one(mutex_);
    std::vector<Cost> found;
    for (std::size_t i = 0; i < octavo_operator_count(session_); ++i) {
      octavo_operator each;
      octavo_operator_info(session_, i, &each);
      found.emplace_back(each.name, each.kind, each.runs, each.nanoseconds, each.bytes, each.multiply_adds);
    }
    return found;
  }

  std::size_t memory_bytes() const { return octavo_session_memory(session_); }

  void run(const std::vector<Given>& inputs, const std::vector<Made>& outputs) {
    std::vector<octavo_input> from;
    std::vector<octavo_output> to;
    for (const Given& array : inputs) from.push_back({array.data(), array.nbytes()});
    for (const Made& array : outputs) to.push_back({array.data(), array.nbytes()});
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
  octavo_session* session_ = nullptr;
  std::mutex mutex_;
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
      .def("run", &BundleSession::run, "inputs"_a, "outputs"_a);
}

}  // namespace octavo
