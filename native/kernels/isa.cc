// Compiled once for each instruction set, with its own compiler flags; OCTAVO_ISA is its name, OCTAVO_ISA_HEADER its
// header. Everything here has internal linkage and instantiates no standard library templates: the linker merges equal
// definitions and might keep a copy with instructions that the processor lacks.
#include OCTAVO_ISA_HEADER

#include "kernels/generic/add_pixels.h"
#include "kernels/generic/arithmetic.h"
#include "kernels/generic/conv.h"
#include "kernels/generic/depthwise.h"
#include "kernels/generic/dequantize.h"
#include "kernels/generic/dots.h"
#include "kernels/generic/elementwise.h"
#include "kernels/generic/float_product.h"
#include "kernels/generic/functions.h"
#include "kernels/generic/gemm.h"
#include "kernels/generic/layer_norm.h"
#include "kernels/generic/lookup.h"
#include "kernels/generic/pack.h"
#include "kernels/generic/quantize.h"
#include "kernels/generic/sketch.h"
#include "kernels/generic/softmax.h"
#include "kernels/isa/concept.h"
#include "kernels/kernels.h"

#define OCTAVO_JOIN_(a, b) a##b
#define OCTAVO_JOIN(a, b) OCTAVO_JOIN_(a, b)

namespace octavo {

static_assert(InstructionSet<OCTAVO_ISA>);

extern const Kernels OCTAVO_JOIN(OCTAVO_ISA, _kernels);
constinit const Kernels OCTAVO_JOIN(OCTAVO_ISA, _kernels) = {
    .name = OCTAVO_ISA::kName,
    .features = OCTAVO_ISA::kFeatures,
    .quantize = quantize<OCTAVO_ISA>,
    .dequantize_u8 = dequantize<OCTAVO_ISA, std::uint8_t>,
    .dequantize_s8 = dequantize<OCTAVO_ISA, std::int8_t>,
    .sketch = sketch<OCTAVO_ISA>,
    .gemm = gemm<OCTAVO_ISA>,
    .gemm_scratch = gemm_scratch<OCTAVO_ISA>,
    .conv = conv<OCTAVO_ISA>,
    .conv_scratch = conv_scratch<OCTAVO_ISA>,
    .depthwise = depthwise<OCTAVO_ISA>,
    .depthwise_scratch = depthwise_scratch<OCTAVO_ISA>,
    .elementwise = elementwise<OCTAVO_ISA>,
    .add_pixels = add_pixels<OCTAVO_ISA>,
    .float_product = float_product<OCTAVO_ISA>,
    .pack_rhs = pack_rhs<OCTAVO_ISA>,
    .apply = apply<OCTAVO_ISA>,
    .combine = combine<OCTAVO_ISA>,
    .row_sum = row_sum<OCTAVO_ISA>,
    .row_max = row_max<OCTAVO_ISA>,
    .softmax = softmax<OCTAVO_ISA>,
    .layer_norm = layer_norm<OCTAVO_ISA>,
    .activate = activate<OCTAVO_ISA>,
    .look_up = look_up<OCTAVO_ISA>,
    .dots = dots<OCTAVO_ISA>,
};

}  // namespace octavo
