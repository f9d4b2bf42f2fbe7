// Python bindings of the kernels. Arrays are checked here; the kernels trust their arguments.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

#include "bindings/packed_gemm.h"
#include "bindings/runtime.h"
#include "bindings/sketches.h"
#include "kernels/dispatch.h"
#include "kernels/histogram.h"
#include "runtime/schema.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace octavo {
namespace {

template <class T>
using Read = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Write = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void require(bool holds, const char* message) {
  if (!holds) throw nb::value_error(message);
}

std::vector<std::string> names(std::span<const Kernels* const> sets) {
  std::vector<std::string> names;
  for (const Kernels* set : sets) names.emplace_back(set->name);
  return names;
}

// The kernels of an instruction set; an empty name selects the best supported one.
const Kernels& kernels_of(const std::string& name) {
  std::string error;
  const Kernels* kernels = name.empty() ? chosen(error) : find(name, error);
  require(kernels != nullptr, error.c_str());
  return *kernels;
}

void quantize(const Kernels& kernels, Read<float> x, float scale, int zero_point, int low, int high,
              Write<std::uint8_t> q) {
  require(x.size() == q.size(), "x and q differ in size");
  kernels.quantize(x.data(), x.size(), {scale, zero_point, low, high}, q.data());
}

void dequantize_u8(const Kernels& kernels, Read<std::uint8_t> q, float scale, int zero_point, Write<float> x) {
  require(x.size() == q.size(), "x and q differ in size");
  kernels.dequantize_u8(q.data(), q.size(), {scale, zero_point, 0, 0}, x.data());
}

void dequantize_s8(const Kernels& kernels, Read<std::int8_t> q, float scale, int zero_point, Write<float> x) {
  require(x.size() == q.size(), "x and q differ in size");
  kernels.dequantize_s8(q.data(), q.size(), {scale, zero_point, 0, 0}, x.data());
}

// Updates `bins` with every `stride`-th value of each of `rows` equal parts.
nb::tuple sketch(const Kernels& kernels, Read<float> x, std::size_t rows, std::size_t stride,
                 Write<std::int64_t> bins) {
  require(bins.size() == kBins, "the histogram has the wrong size");
  require(rows > 0 && stride > 0 && x.size() % rows == 0, "the values do not divide into rows");
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Ends ends{kInfinity, -kInfinity, 0, 0};
  const std::size_t length = x.size() / rows;
  // Strides beyond the length are equivalent, and large ones would overflow.
  stride = std::min(stride, std::max<std::size_t>(length, 1));
  {
    nb::gil_scoped_release others;
    for (std::size_t row = 0; row < rows; ++row) {
      kernels.sketch(x.data() + row * length, length, stride, ends, bins.data());
    }
  }
  return nb::make_tuple(ends.low, ends.high, ends.nans, ends.infs);
}

// Name, type and repeat (as numbers of their enumerations), and the names of a choice's alternatives.
using AttributeRow = std::tuple<std::string, int, int, std::vector<std::string>>;
// Number, name, whether 16-bit tensors are accepted, attributes.
using OperatorRow = std::tuple<int, std::string, bool, std::vector<AttributeRow>>;

std::vector<OperatorRow> operators() {
  std::vector<OperatorRow> rows;
  for (const schema::Operator* op : kSchema) {
    std::vector<AttributeRow> attributes;
    for (const schema::Attribute& attribute : op->attributes()) {
      attributes.emplace_back(attribute.name, static_cast<int>(attribute.type), static_cast<int>(attribute.repeat),
                              std::vector<std::string>(attribute.choices.begin(), attribute.choices.end()));
    }
    rows.emplace_back(op->number, op->name, (op->flags & schema::kTakes16Bit) != 0, std::move(attributes));
  }
  return rows;
}

std::shared_ptr<Sketches> sketches(const Kernels& kernels, std::size_t tensors, std::size_t histogram_values) {
  require(histogram_values > 0, "no value of a sample would enter the histogram");
  return std::make_shared<Sketches>(kernels, tensors, histogram_values);
}

template <class T>
using ReadMatrix = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using WriteMatrix = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Columns = std::optional<Read<T>>;

// A GEMM with the parameters common to all output types.
std::unique_ptr<Product> product(const Kernels& kernels, ReadMatrix<std::int8_t> b, bool a_signed, int a_zero,
                                 Columns<std::int32_t> b_zero, Columns<std::int32_t> bias) {
  const std::size_t n = b.shape(1);
  require(!b_zero || b_zero->size() == n, "b_zero needs one value a column");
  require(!bias || bias->size() == n, "bias needs one value a column");
  auto product = std::make_unique<Product>(kernels, b.data(), b.shape(0), n);
  product->gemm().a_signed = a_signed;
  product->gemm().a_zero = a_zero;
  if (b_zero) product->set_b_zero(b_zero->data());
  if (bias) product->set_bias(bias->data());
  return product;
}

void set_output(Product& product, Output output, Read<float> multiplier) {
  require(multiplier.size() == product.gemm().n, "multiplier needs one value a column");
  product.gemm().output = output;
  product.set_multiplier(multiplier.data());
}

void to_float(Product& product, Read<float> multiplier) { set_output(product, Output::kFloat, multiplier); }

void to_bytes(Product& product, Read<float> multiplier, int zero_point, int low, int high) {
  set_output(product, Output::kBytes, multiplier);
  product.gemm().zero_point = zero_point;
  product.gemm().low = low;
  product.gemm().high = high;
}

template <class T, Output output>
void run(Product& product, ReadMatrix<std::uint8_t> a, WriteMatrix<T> c) {
  const Gemm& gemm = product.gemm();
  require(gemm.output == output, "c has another type than the product's output");
  require(a.shape(1) == gemm.k && c.shape(0) == a.shape(0) && c.shape(1) == gemm.n, "the shapes do not fit");
  product.run(a.data(), a.shape(0), c.data());
}

}  // namespace
}  // namespace octavo

NB_MODULE(_native, module) {
  // A program may end with references left, such as those of a kept traceback; that is no fault to report to its user.
  nb::set_leak_warnings(false);
  using namespace octavo;
  module.def("compiled", [] { return names(compiled()); });
  module.def("runnable", [] { return names(runnable()); });
  module.def("operators", operators);

  nb::class_<Kernels>(module, "Kernels")
      .def_prop_ro("name", [](const Kernels& kernels) { return kernels.name; })
      .def("quantize", quantize, "x"_a.noconvert(), "scale"_a, "zero_point"_a, "low"_a, "high"_a, "q"_a.noconvert())
      .def("dequantize_u8", dequantize_u8, "q"_a.noconvert(), "scale"_a, "zero_point"_a, "x"_a.noconvert())
      .def("dequantize_s8", dequantize_s8, "q"_a.noconvert(), "scale"_a, "zero_point"_a, "x"_a.noconvert())
      .def("sketch", sketch, "x"_a.noconvert(), "rows"_a, "stride"_a, "bins"_a.noconvert())
      .def("product", product, "b"_a.noconvert(), "a_signed"_a, "a_zero"_a, "b_zero"_a.noconvert().none() = nb::none(),
           "bias"_a.noconvert().none() = nb::none(), nb::keep_alive<0, 1>())
      .def("sketches", sketches, "tensors"_a, "histogram_values"_a)
      .def("dots", [](const Kernels& kernels, std::uint64_t rounds) { return kernels.dots(rounds); }, "rounds"_a);

  nb::class_<Product>(module, "Product")
      .def("to_float", to_float, "multiplier"_a.noconvert())
      .def("to_bytes", to_bytes, "multiplier"_a.noconvert(), "zero_point"_a, "low"_a, "high"_a)
      .def("run", run<std::int32_t, Output::kInt32>, "a"_a.noconvert(), "c"_a.noconvert())
      .def("run", run<float, Output::kFloat>, "a"_a.noconvert(), "c"_a.noconvert())
      .def("run", run<std::uint8_t, Output::kBytes>, "a"_a.noconvert(), "c"_a.noconvert());

  nb::class_<Sketches>(module, "Sketches")
      .def("publish", &Sketches::publish)
      .def("start", &Sketches::start, "tensor"_a, "bins"_a.noconvert(), "state"_a)
      .def("state", &Sketches::state, "tensor"_a);

  module.def("kernels", kernels_of, "name"_a = "", nb::rv_policy::reference);
  define_runtime(module);
}
