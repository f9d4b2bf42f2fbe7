// GEMM epilogue: converts the accumulators of a tile to the output, row by row, or several short contiguous rows at a
// time.
#pragma once

#include "kernels/generic/micro_kernel.h"
#include "kernels/generic/output.h"

namespace octavo {
namespace {

// Returns whether the stored result is certain to be exact.
template <class Isa, int Panels, class Out>
OCTAVO_INLINE bool epilogue_row(const Gemm& gemm, const Out& out, std::size_t row, std::size_t column,
                                const std::int32_t* sums, const std::int32_t* row_sum, std::size_t columns) {
  constexpr int kNow = Panels < kGroup ? Panels : kGroup;
  typename Isa::Ints v[kNow * kRegisters<Isa>];
  OCTAVO_UNROLL
  for (int r = 0; r < kNow * kRegisters<Isa>; ++r) v[r] = Isa::load(sums + r * Isa::kLanes);
  if (row_sum != nullptr) {
    OCTAVO_UNROLL
    for (int r = 0; r < kNow * kRegisters<Isa>; ++r) {
      const auto zero_point = Isa::load(gemm.b_zero + column + r * Isa::kLanes);
      v[r] = Isa::subtract(v[r], Isa::multiply(zero_point, Isa::all(*row_sum)));
    }
  }
  auto* c = static_cast<typename Out::Element*>(gemm.c) + row * gemm.c_stride + column;
  bool sure = out.template store<kNow>(v, column, columns, c);
  if constexpr (Panels > kGroup) {
    const std::size_t next = column + kGroup * kBlock;
    sure &= epilogue_row<Isa, Panels - kGroup>(gemm, out, row, next, sums + kGroup * kBlock, row_sum,
                                               columns - kGroup * kBlock);
  }
  return sure;
}

// Epilogue of consecutive tiles whose accumulators are in registers. Rows of complete panels may be stored together, as
// many as fill a group.
template <class Isa, int Panels, class Out, bool kTogether>
struct Direct {
  static constexpr int kRows = kTogether ? kGroup / Panels : 1;
  Out out;
  typename Out::Element* c;  // at the first row and column of the next tile
  std::size_t c_stride;
  std::size_t column;
  std::size_t columns;  // from `column` to the end of the row

  // Stores the first `rows` rows, rounded panel by panel, so that column constants are loaded once for all rows.
  template <int Rows, class Count>
  OCTAVO_INLINE void store(const Accumulators<Isa, Rows, Panels>& acc, Count rows) const {
    typename Isa::Ints q[(Rows + kRows - 1) / kRows * kRows][Panels];
    each<Panels>([&](auto p) OCTAVO_LAMBDA { out.template round<Rows, Panels>(acc, p, column, q); });
    each<(Rows + kRows - 1) / kRows>([&](auto i) OCTAVO_LAMBDA {
      constexpr int kFirst = i * kRows;
      if (kFirst >= rows) return;
      if constexpr (kTogether) {
        constexpr int kWidth = Panels * static_cast<int>(kBlock);
        typename Isa::Ints group[kGroup];
        each<kGroup>([&](auto p) OCTAVO_LAMBDA {
          constexpr int kRow = kFirst + p / Panels;
          group[p] = q[kRow < Rows ? kRow : Rows - 1][p % Panels];
        });
        const auto left = static_cast<std::size_t>((rows - kFirst) * kWidth);
        store_packed<Isa, kGroup>(out.how, group, left, c + kFirst * kWidth);
      } else {
        store_packed<Isa, Panels>(out.how, q[kFirst], columns, c + kFirst * c_stride);
      }
    });
  }
};

// Buffer size, in elements, for the accumulators of a tile; one group more, because they are read in whole groups.
constexpr std::size_t sums_of(int rows, int panels) {
  return static_cast<std::size_t>(rows * panels + kGroup) * kBlock;
}

// Accumulators of a row, or of several rows that are stored together.
struct Piece {
  std::size_t row, column;
  std::size_t columns;  // from `column` to the end of the row, or of the rows
  const std::int32_t* sums;
  const std::int32_t* row_sum;
};

// Pieces whose fast result may be inexact, with their accumulators. They are collected and recomputed exactly in
// batches: one at a time, each would cause a branch misprediction.
template <int Panels>
class InexactPieces {
 public:
  // Inlined: a call would spill the accumulators of the current tile.
  OCTAVO_INLINE void add(const Piece& piece) {
    std::memcpy(sums_[count_], piece.sums, sizeof sums_[0]);
    pieces_[count_] = piece;
    pieces_[count_].sums = sums_[count_];
    ++count_;
  }
  bool are_many() const { return count_ >= kMany; }

  template <class Body>
  void each(const Body& body) {
    for (std::size_t i = 0; i < count_; ++i) body(pieces_[i]);
    count_ = 0;
  }

 private:
  static constexpr std::size_t kMany = 16;
  std::size_t count_ = 0;
  Piece pieces_[kMany + kMostRows];
  alignas(kLine) std::int32_t sums_[kMany + kMostRows][(Panels < kGroup ? kGroup : Panels) * kBlock];
};

struct NoInexactPieces {};

// The epilogue of a tile whose accumulators are in memory, one piece at a time.
template <class Isa, int Panels, class Out>
class Epilogue {
 public:
  // row_sums are the row sums of a from the first row of the first tile on; null unless b has zero points.
  Epilogue(const Gemm& gemm, const Out& out, std::size_t column, const std::int32_t* row_sums)
      : gemm_(gemm), out_(out), column_(column), row_sums_(row_sums) {
    if constexpr (StoresTogether<Out>) {
      together_ = Together<Isa, Panels>::fits(gemm);
      if (together_) out_.multiplier = repeated_.repeat(gemm);
    }
  }

  // Accepts a tile: its first output row is `row`, which is `done` rows after the first row of this epilogue.
  void take(const std::int32_t* sums, std::size_t row, std::size_t done, int rows) {
    sums_ = sums;
    row_ = row;
    done_ = done;
    rows_ = rows;
    if constexpr (kHasExactPath) {
      if (inexact_.are_many()) resolve();
    }
  }
  std::size_t pieces() const {
    const auto rows = static_cast<std::size_t>(rows_);
    return together_ ? (rows * gemm_.n + kGroupColumns - 1) / kGroupColumns : rows;
  }
  // Distance from row to row of the accumulators.
  OCTAVO_INLINE std::size_t stride() const {
    if constexpr (Together<Isa, Panels>::kPossible) {
      if (together_) return gemm_.n;
    }
    return Panels * kBlock;
  }
  OCTAVO_INLINE void run(std::size_t number) {
    const Piece piece = piece_of(number);
    const bool sure = store(out_, piece);
    if constexpr (kHasExactPath) {
      if (!sure) [[unlikely]]
        inexact_.add(piece);
    }
  }
  // Finishes the remaining pieces where no tile overlaps them.
  __attribute__((noinline)) void end() {
    for (std::size_t piece = 0; piece < pieces(); ++piece) run(piece);
    rows_ = 0;
    if constexpr (kHasExactPath) resolve();
  }

 private:
  static constexpr bool kHasExactPath = HasExactPath<Out>;
  static constexpr std::size_t kGroupColumns = kGroup * kBlock;

  OCTAVO_INLINE Piece piece_of(std::size_t number) const {
    if constexpr (Together<Isa, Panels>::kPossible) {
      if (together_) {
        const std::size_t column = number * kGroupColumns;
        return {row_, column, static_cast<std::size_t>(rows_) * gemm_.n - column, sums_ + column, nullptr};
      }
    }
    return {row_ + number, column_, gemm_.n - column_, sums_ + number * Panels * kBlock,
            row_sums_ == nullptr ? nullptr : row_sums_ + done_ + number};
  }

  template <class How>
  OCTAVO_INLINE bool store(const How& out, const Piece& piece) const {
    const auto& [row, column, columns, sums, row_sum] = piece;
    if constexpr (Together<Isa, Panels>::kPossible) {
      if (together_) return epilogue_row<Isa, kGroup>(gemm_, out, row, column, sums, nullptr, columns);
    }
    return epilogue_row<Isa, Panels>(gemm_, out, row, column, sums, row_sum, columns);
  }

  __attribute__((noinline)) void resolve() {
    const typename Out::Exact exact(out_);
    inexact_.each([&](const Piece& piece) { store(exact, piece); });
  }

  const Gemm& gemm_;
  Out out_;
  std::size_t column_;
  const std::int32_t* row_sums_;
  const std::int32_t* sums_ = nullptr;
  std::size_t row_ = 0, done_ = 0;
  int rows_ = 0;
  bool together_ = false;
  Together<Isa, Panels> repeated_;
  std::conditional_t<kHasExactPath, InexactPieces<Panels>, NoInexactPieces> inexact_;
};

}  // namespace
}  // namespace octavo
