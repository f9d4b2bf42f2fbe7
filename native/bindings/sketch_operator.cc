// The operator Sketch of the domain "octavo" for ONNX Runtime: updates the range sketch of a tensor during the run,
// while the tensor is still in the cache, instead of making it an output of the model.
//
//   size = Sketch(x, samples), with the attributes sketches and tensor
//
// x: float32, any shape. samples: int64[2], the number of samples in the batch without and with padding. size:
// int64[1], the number of values in x. Attributes: the number under which the sketches are published, and the index
// of the tensor's sketch.
#include <exception>

#include "bindings/onnxruntime.h"
#include "bindings/sketches.h"

namespace octavo {
namespace {

struct Failure {
  ort::Status* status;
};

void succeed(ort::Status* status) {
  if (status != nullptr) throw Failure{status};
}

struct Tensor {
  const void* data;
  std::size_t count;
  std::size_t first;
};

class Kernel {
 public:
  Kernel(const ort::Api& api, const ort::Info* info) : api_(api) {
    std::int64_t number = 0;
    succeed(api.int_attribute(info, "sketches", &number));
    succeed(api.int_attribute(info, "tensor", &tensor_));
    sketches_ = published(number);
    if (sketches_ == nullptr || tensor_ < 0 || static_cast<std::size_t>(tensor_) >= sketches_->size()) {
      throw Failure{api.create_status(ort::kInvalidArgument, "these range sketches do not exist")};
    }
  }

  const ort::Api& api() const { return api_; }

  void compute(ort::Context* context) const {
    const Tensor x = input(context, 0), samples = input(context, 1);
    if (samples.count != 2) throw Failure{api_.create_status(ort::kInvalidArgument, "samples are not two numbers")};
    const auto* counts = static_cast<const std::int64_t*>(samples.data);
    if (counts[0] < 0 || counts[1] < counts[0]) {
      throw Failure{api_.create_status(ort::kInvalidArgument, "fewer samples ran than count")};
    }
    sketches_->take(static_cast<std::size_t>(tensor_), static_cast<const float*>(x.data), x.count, x.first,
                    {static_cast<std::size_t>(counts[0]), static_cast<std::size_t>(counts[1])});
    const std::int64_t one = 1;
    ort::Value* size = nullptr;
    succeed(api_.output(context, 0, &one, 1, &size));
    void* written = nullptr;
    succeed(api_.data(size, &written));
    *static_cast<std::int64_t*>(written) = static_cast<std::int64_t>(x.count);
  }

 private:
  Tensor input(const ort::Context* context, std::size_t index) const {
    const ort::Value* value = nullptr;
    succeed(api_.input(context, index, &value));
    ort::Shape* shape = nullptr;
    succeed(api_.shape(value, &shape));
    std::size_t rank = 0, count = 0;
    std::int64_t first = 1;
    ort::Status* failed = api_.count(shape, &count);
    if (failed == nullptr) failed = api_.rank(shape, &rank);
    if (failed == nullptr && rank > 0) failed = api_.dimensions(shape, &first, 1);
    api_.release_shape(shape);
    succeed(failed);
    void* data = nullptr;
    succeed(api_.data(const_cast<ort::Value*>(value), &data));
    return {data, count, rank > 0 ? static_cast<std::size_t>(first) : 0};
  }

  const ort::Api& api_;
  std::int64_t tensor_ = 0;
  std::shared_ptr<Sketches> sketches_;
};

// Runs `work` and converts exceptions to an ONNX Runtime status.
template <class Work>
ort::Status* to_status(const ort::Api& api, const Work& work) noexcept {
  try {
    work();
    return nullptr;
  } catch (const Failure& failure) {
    return failure.status;
  } catch (const std::exception& error) {
    return api.create_status(ort::kInvalidArgument, error.what());
  }
}

ort::Status* create(const ort::Operator*, const ort::Api* api, const ort::Info* info, void** kernel) {
  return to_status(*api, [&] { *kernel = new Kernel(*api, info); });
}

ort::Status* compute(void* kernel, ort::Context* context) {
  const Kernel& self = *static_cast<const Kernel*>(kernel);
  return to_status(self.api(), [&] { self.compute(context); });
}

const ort::Operator sketch{
    .version = ort::kVersion,
    .create_16 = nullptr,
    .name = [](const ort::Operator*) { return "Sketch"; },
    .provider = [](const ort::Operator*) -> const char* { return nullptr; },
    .input_type = [](const ort::Operator*, std::size_t index) { return index == 0 ? ort::kFloat : ort::kInt64; },
    .input_count = [](const ort::Operator*) -> std::size_t { return 2; },
    .output_type = [](const ort::Operator*, std::size_t) { return ort::kInt64; },
    .output_count = [](const ort::Operator*) -> std::size_t { return 1; },
    .compute_16 = nullptr,
    .destroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); },
    .input_kind = [](const ort::Operator*, std::size_t) { return ort::kRequired; },
    .output_kind = [](const ort::Operator*, std::size_t) { return ort::kRequired; },
    .input_memory = [](const ort::Operator*, std::size_t) { return 0; },
    .unused = {},
    .create = create,
    .compute = compute,
    .infer_shapes = nullptr,
    .since = [](const ort::Operator*) { return 1; },
    .until = [](const ort::Operator*) { return INT32_MAX; },
};

}  // namespace
}  // namespace octavo

// The entry point of a custom operator library: ONNX Runtime calls it in a session that registers this module's file.
extern "C" __attribute__((visibility("default"))) octavo::ort::Status* RegisterCustomOps(
    octavo::ort::Options* options, const octavo::ort::ApiBase* base) {
  using namespace octavo;
  const ort::Api* api = base->api(ort::kVersion);
  if (api == nullptr) return nullptr;  // older than 1.16: the session then reports the missing operator
  return to_status(*api, [&] {
    ort::Domain* domain = nullptr;
    succeed(api->create_domain("octavo", &domain));
    succeed(api->add_operator(domain, &sketch));
    succeed(api->add_domain(options, domain));
  });
}
