// One round of each test: a random case on an instruction set, compared with the scalar one.
#pragma once

namespace octavo {

struct Kernels;

namespace tests {

class Random;

void test_mapping(const Kernels& kernels, const Kernels& scalar, Random& random, int round);
void test_sketch(const Kernels& kernels, const Kernels& scalar, Random& random, int round);
void test_floats(const Kernels& kernels, const Kernels& scalar, Random& random, int round);
void test_bytes(const Kernels& kernels, const Kernels& scalar, Random& random, int round);
void test_gemm(const Kernels& kernels, const Kernels& scalar, Random& random, int round);
void test_conv(const Kernels& kernels, const Kernels& scalar, Random& random, int round);
void test_depthwise(const Kernels& kernels, const Kernels& scalar, Random& random, int round);

}  // namespace tests
}  // namespace octavo
