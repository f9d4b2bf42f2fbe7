// Compares every supported instruction set with the scalar one: octavo_native_tests [ROUNDS]. Prints their names.
#include "kernels/dispatch.h"
#include "tests/check.h"
#include "tests/tests.h"

int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 300;
  const std::vector<const octavo::Kernels*> sets = octavo::runnable();
  for (const octavo::Kernels* set : sets) {
    octavo::tests::Random random(1);
    for (int round = 0; round < rounds; ++round) {
      octavo::tests::test_mapping(*set, *sets.front(), random, round);
      octavo::tests::test_sketch(*set, *sets.front(), random, round);
      octavo::tests::test_floats(*set, *sets.front(), random, round);
      octavo::tests::test_bytes(*set, *sets.front(), random, round);
      octavo::tests::test_gemm(*set, *sets.front(), random, round);
      octavo::tests::test_conv(*set, *sets.front(), random, round);
      octavo::tests::test_depthwise(*set, *sets.front(), random, round);
    }
    std::puts(set->name);
  }
}
