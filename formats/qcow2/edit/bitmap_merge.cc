#include "formats/qcow2/edit/bitmap_merge.h"

#include <algorithm>
#include <bit>

#include "formats/base/checked.h"
#include "formats/base/endian.h"
#include "formats/base/zero_bytes.h"

namespace instar::qcow2 {
namespace {

constexpr std::size_t kPieceBytes = 64 << 10;
constexpr std::size_t kMostPieceBytes = 8 * kPieceBytes;

// The lowest `count` bits, of up to 8.
constexpr std::byte LowBits(std::uint64_t count) {
  return static_cast<std::byte>((1U << count) - 1);
}

// The first bit of `bits` from `from` on that is `set`; the number of bits if there is none.
std::uint64_t FindBit(std::span<const std::byte> bits, std::uint64_t from, bool set) {
  const std::uint64_t end = bits.size() * 8;
  const std::uint64_t flip = set ? 0 : ~std::uint64_t{0};
  while (from < end) {
    const std::size_t at = from / 64 * 8;
    std::uint64_t word = 0;
    if (bits.size() - at >= 8) {
      word = LoadLe64(bits, at) ^ flip;
    } else {
      for (std::size_t i = bits.size(); i-- > at;) {
        word = word << 8 | std::to_integer<std::uint64_t>(bits[i]);
      }
      word ^= flip;
    }
    word &= ~std::uint64_t{0} << from % 64;
    if (word != 0) {
      return std::min<std::uint64_t>(from / 64 * 64 + std::countr_zero(word), end);
    }
    from = (from / 64 + 1) * 64;
  }
  return end;
}

// Every second bit of `word`, packed into 32.
constexpr std::uint32_t EvenBits(std::uint64_t word) {
  word &= 0x5555555555555555;
  word = (word | word >> 1) & 0x3333333333333333;
  word = (word | word >> 2) & 0x0F0F0F0F0F0F0F0F;
  word = (word | word >> 4) & 0x00FF00FF00FF00FF;
  word = (word | word >> 8) & 0x0000FFFF0000FFFF;
  return static_cast<std::uint32_t>(word | word >> 16);
}

// The bits of `word`, each twice.
constexpr std::uint64_t TwiceBits(std::uint32_t bits) {
  std::uint64_t word = bits;
  word = (word | word << 16) & 0x0000FFFF0000FFFF;
  word = (word | word << 8) & 0x00FF00FF00FF00FF;
  word = (word | word << 4) & 0x0F0F0F0F0F0F0F0F;
  word = (word | word << 2) & 0x3333333333333333;
  word = (word | word << 1) & 0x5555555555555555;
  return word | word << 1;
}

// Joins each two bits of `piece` to one.
void Halve(std::vector<std::byte>& piece) {
  const std::size_t half = (piece.size() + 1) / 2;
  piece.resize(DivideRoundUp(piece.size(), 8) * 8);
  for (std::size_t at = 0; at < piece.size(); at += 8) {
    const std::uint64_t word = LoadLe64(piece, at);
    StoreLe32(piece, at / 2, EvenBits(word | word >> 1));
  }
  piece.resize(half);
}

// Makes two bits of each of `piece`.
void Double(std::vector<std::byte>& piece) {
  const std::size_t twice = piece.size() * 2;
  piece.resize(DivideRoundUp(twice, 8) * 8);
  for (std::size_t at = piece.size(); at != 0;) {
    at -= 8;
    StoreLe64(piece, at, TwiceBits(LoadLe32(piece, at / 2)));
  }
  piece.resize(twice);
}

}  // namespace

void SetBits(std::span<std::byte> bits, std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  const std::uint64_t first = begin / 8;
  const std::uint64_t last = (end - 1) / 8;
  const std::byte head = ~LowBits(begin % 8);
  const std::byte tail = LowBits((end - 1) % 8 + 1);
  if (first == last) {
    bits[first] |= head & tail;
    return;
  }
  bits[first] |= head;
  std::ranges::fill(bits.subspan(first + 1, last - first - 1), std::byte{0xFF});
  bits[last] |= tail;
}

void BitmapPart::Set(std::uint64_t begin, std::uint64_t end, unsigned granularity_bits) {
  const std::uint64_t unit = std::uint64_t{1} << granularity_bits_;
  begin = (begin << granularity_bits) / unit;
  end = DivideRoundUp(end << granularity_bits, unit);
  begin = std::max(begin, first_);
  end = std::min(end, first_ + count_);
  if (begin >= end) return;
  touched_ = true;
  SetBits(bits_, begin - first_, end - first_);
}

Status BitmapPart::Join(BitmapSource& source) {
  const unsigned granularity = source.granularity_bits;
  const std::uint64_t unit = std::uint64_t{1} << granularity;
  const std::uint64_t begin = (first_ << granularity_bits_) / unit;
  const std::uint64_t end =
      std::min(DivideRoundUp((first_ + count_) << granularity_bits_, unit), source.data.bits());
  const std::uint64_t end_byte = DivideRoundUp(end, 8);
  for (std::uint64_t at = begin / 8; at < end_byte;) {
    INSTAR_ASSIGN_OR_RETURN(const BitmapData::Stretch stretch, source.data.StretchAt(at, end_byte));
    switch (stretch.kind) {
      case BitmapData::Stretch::Kind::kZeros:
        break;
      case BitmapData::Stretch::Kind::kOnes:
        Set(std::max(begin, at * 8), std::min(end, stretch.end * 8), granularity);
        break;
      case BitmapData::Stretch::Kind::kStored:
        INSTAR_TRY(JoinStored(source, at, stretch.end));
        break;
    }
    at = stretch.end;
  }
  return {};
}

Status BitmapPart::JoinStored(BitmapSource& source, std::uint64_t begin_byte,
                              std::uint64_t end_byte) {
  std::vector<std::byte> piece;
  for (std::uint64_t at = begin_byte; at < end_byte; at += kPieceBytes) {
    piece.resize(std::min<std::uint64_t>(end_byte - at, kPieceBytes));
    INSTAR_TRY(source.data.Read(at, piece));
    if (!IsZero(piece)) JoinPiece(piece, at * 8, source.granularity_bits);
  }
  return {};
}

void BitmapPart::JoinPiece(std::vector<std::byte>& piece, std::uint64_t first_bit,
                           unsigned granularity) {
  for (; granularity < granularity_bits_ && first_bit % 16 == 0; ++granularity, first_bit /= 2) {
    Halve(piece);
  }
  for (; granularity > granularity_bits_ && piece.size() <= kMostPieceBytes / 2; --granularity) {
    Double(piece);
    first_bit *= 2;
  }
  if (granularity == granularity_bits_ && first_bit >= first_ && first_bit < first_ + count_) {
    touched_ = true;
    const auto out = bits_.subspan((first_bit - first_) / 8);
    const std::size_t length = std::min(out.size(), piece.size());
    std::transform(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(length), piece.begin(),
                   out.begin(), [](auto a, auto b) { return a | b; });
    return;
  }
  const std::uint64_t count = piece.size() * 8;
  for (std::uint64_t at = FindBit(piece, 0, true); at < count;) {
    const std::uint64_t end = FindBit(piece, at, false);
    Set(first_bit + at, first_bit + end, granularity);
    at = FindBit(piece, end, true);
  }
}

void BitmapPart::Trim() {
  const std::uint64_t whole = count_ / 8;
  auto behind = bits_.subspan(whole);
  if (count_ % 8 != 0) {
    behind.front() &= LowBits(count_ % 8);
    behind = behind.subspan(1);
  }
  std::ranges::fill(behind, std::byte{0});
}

bool BitmapPart::AllAre(bool set) const { return FindBit(bits_, 0, !set) >= count_; }

}  // namespace instar::qcow2
