// Random numbers, aligned memory and a comparison with a message, for the kernel tests.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

namespace octavo::tests {

// SplitMix64: the same numbers on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }

  // Uniform in low..high, inclusive.
  int between(int low, int high) {
    const std::uint64_t choices = static_cast<std::uint64_t>(high - low) + 1;
    return low + static_cast<int>(next() % choices);
  }

  float real(float low, float high) { return low + (high - low) * static_cast<float>(next() >> 40) * 0x1p-24f; }

  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[next() % choices.size()];
  }

 private:
  std::uint64_t state_;
};

// Memory aligned to a cache line.
class Scratch {
 public:
  explicit Scratch(std::size_t size) : memory_(size + kLine) {}
  void* get() { return memory_.data() + kLine - reinterpret_cast<std::uintptr_t>(memory_.data()) % kLine; }

 private:
  static constexpr std::size_t kLine = 64;
  std::vector<std::uint8_t> memory_;
};

// Exits with a message unless both have the same bytes.
template <class T>
void check_same(const std::vector<T>& actual, const std::vector<T>& expected, const char* isa, const char* what,
                int round) {
  const bool same_size = actual.size() == expected.size();
  if (same_size && (actual.empty() || std::memcmp(actual.data(), expected.data(), actual.size() * sizeof(T)) == 0))
    return;
  std::fprintf(stderr, "%s: %s differs from scalar in round %d\n", isa, what, round);
  std::exit(1);
}

}  // namespace octavo::tests
