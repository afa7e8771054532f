// On-disk structures as lists of their fields: type, offset, member, name in the specification.
//
//   struct Footer {
//     std::uint64_t data_offset = 0;
//     std::uint32_t timestamp = 0;
//   };
//   inline constexpr DiskStruct kFooterFields{
//       Constant<Be32, 12, 0x00010000>{"File Format Version"},
//       Field<Be64, 16, &Footer::data_offset>{"Data Offset"},
//       Field<Be32, 24, &Footer::timestamp>{"Time Stamp"},
//   };
//
// From the list come decoding, encoding, the places of single fields, and checks of ranges. All
// is resolved by the compiler: a structure costs the guest as much code as one load or store a
// field. Fields stand in ascending order and do not overlap, or it does not compile.
//
// Encoding stores the fields that are listed and nothing else. So a change in place keeps what this
// version does not know, and who makes a new structure begins with zeros.
// tests/unit/formats/base/disk_struct_test.cc covers this file.
#ifndef FORMATS_BASE_DISK_STRUCT_H_
#define FORMATS_BASE_DISK_STRUCT_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "formats/base/endian.h"
#include "formats/base/error.h"

namespace instar {

using Le8 = OnDisk<std::uint8_t, std::endian::little>;  // one byte, which has no order

// Types of fields besides the integers of endian.h. Each says how long a `Value` is on disk, and
// how to turn one into the other.

// The bytes of a std::array as they are.
struct RawBytes {
  template <typename Value>
  static constexpr std::size_t kBytes = sizeof(Value);
  static void Decode(const std::byte* bytes, auto& value) {
    std::memcpy(value.data(), bytes, sizeof value);
  }
  static void Encode(const auto& value, std::byte* bytes) {
    std::memcpy(bytes, value.data(), sizeof value);
  }
};

// An integer that is stored as 0 where `Stored` cannot hold it.
template <typename Stored>
struct OrZero {
  template <typename Value>
  static constexpr std::size_t kBytes = sizeof(Stored);
  static void Decode(const std::byte* bytes, auto& value) { Stored::Decode(bytes, value); }
  static void Encode(std::uint64_t value, std::byte* bytes) {
    const typename Stored::Integer stored(static_cast<typename Stored::Integer>(value));
    Stored::Encode(stored == value ? stored : typename Stored::Integer{}, bytes);
  }
};

// A structure within the structure; one after the other where the member is a std::array of them.
template <const auto& kFields>
struct Nested {
  template <typename Value>
  static constexpr std::size_t kBytes = [] {
    if constexpr (requires { std::tuple_size<Value>::value; }) {
      return kFields.kBytes * std::tuple_size_v<Value>;
    } else {
      return kFields.kBytes;
    }
  }();

  static void Decode(const std::byte* bytes, auto& value) {
    kFields.Decode({bytes, kFields.kBytes}, value);
  }
  template <typename Value, std::size_t kCount>
  static void Decode(const std::byte* bytes, std::array<Value, kCount>& values) {
    for (std::size_t i = 0; i < kCount; ++i) Decode(bytes + i * kFields.kBytes, values[i]);
  }
  static void Encode(const auto& value, std::byte* bytes) {
    kFields.Encode(value, {bytes, kFields.kBytes});
  }
  template <typename Value, std::size_t kCount>
  static void Encode(const std::array<Value, kCount>& values, std::byte* bytes) {
    for (std::size_t i = 0; i < kCount; ++i) Encode(values[i], bytes + i * kFields.kBytes);
  }
};

// The values that a number may have. `message` is that of kCorrupt, with the value as {0}.
struct FieldRange {
  std::uint64_t least = 0;
  std::uint64_t most = ~std::uint64_t{0};
  const char* message = nullptr;  // null: any value will do
};

namespace internal {

template <typename Member>
struct MemberTypes;
template <typename S, typename V>
struct MemberTypes<V S::*> {
  using Struct = S;
  using Value = V;
};

void FieldsOverlapOrAreOutOfOrder();  // not for constant expressions, so naming it is an error

}  // namespace internal

// A field at byte `kAt` that is decoded into the member `kMember`.
template <typename Stored, std::size_t kAt, auto kMember>
struct Field {
  using Struct = typename internal::MemberTypes<decltype(kMember)>::Struct;
  using Value = typename internal::MemberTypes<decltype(kMember)>::Value;
  static constexpr std::size_t kOffset = kAt;
  static constexpr std::size_t kEnd = kAt + Stored::template kBytes<Value>;

  std::string_view name;  // in the specification
  FieldRange range{};

  static void Decode(std::span<const std::byte> bytes, Struct& out) {
    Stored::Decode(bytes.data() + kAt, out.*kMember);
  }
  static void Encode(const Struct& in, std::span<std::byte> out) {
    Stored::Encode(in.*kMember, out.data() + kAt);
  }
  [[nodiscard]] static std::uint64_t ValueIn(const Struct& in) {
    return static_cast<std::uint64_t>(in.*kMember);
  }
  template <auto kOther>
  static constexpr bool Is() {
    if constexpr (std::is_same_v<decltype(kOther), decltype(kMember)>) return kOther == kMember;
    return false;
  }
};

// The number that a big-endian field holds whose bytes are `text`.
[[nodiscard]] consteval std::uint64_t NumberOf(std::string_view text) {
  std::uint64_t number = 0;
  for (const char c : text) number = number << 8 | static_cast<unsigned char>(c);
  return number;
}

// A number at byte `kAt` that is always stored. Whoever decodes judges it, if need be.
template <typename Stored, std::size_t kAt, std::uint64_t kNumber>
struct Constant {
  static constexpr std::size_t kOffset = kAt;
  static constexpr std::size_t kEnd = kAt + sizeof(Stored);

  std::string_view name;
  FieldRange range{};

  static void Decode(std::span<const std::byte>, const auto&) {}
  static void Encode(const auto&, std::span<std::byte> out) {
    Stored::Encode(kNumber, out.data() + kAt);
  }
  template <auto>
  static constexpr bool Is() {
    return false;
  }
};

template <typename... Fields>
struct DiskStruct {
  // Up to the end of the last field.
  static constexpr std::size_t kBytes = std::max({Fields::kEnd...});

  std::tuple<Fields...> fields;

  consteval explicit(false) DiskStruct(Fields... list) : fields(list...) {
    std::size_t end = 0;
    const auto follow = [&end](std::size_t offset, std::size_t field_end) {
      if (offset < end) internal::FieldsOverlapOrAreOutOfOrder();
      end = field_end;
    };
    (follow(Fields::kOffset, Fields::kEnd), ...);
  }

  // Decodes all fields from `bytes`, which holds kBytes; DecodeSome those that lie in `bytes`,
  // while the others keep what they have.
  void Decode(std::span<const std::byte> bytes, auto& out) const {
    if (bytes.size() < kBytes) __builtin_trap();
    (Fields::Decode(bytes, out), ...);
  }
  void DecodeSome(std::span<const std::byte> bytes, auto& out) const {
    ((Fields::kEnd <= bytes.size() ? Fields::Decode(bytes, out) : void()), ...);
  }
  template <typename Struct>
  [[nodiscard]] Struct Decode(std::span<const std::byte> bytes) const {
    Struct out;
    Decode(bytes, out);
    return out;
  }

  // Stores all fields in `out`, which holds kBytes; EncodeSome those that `out` has room for. What
  // lies between them stays.
  void Encode(const auto& in, std::span<std::byte> out) const {
    if (out.size() < kBytes) __builtin_trap();
    (Fields::Encode(in, out), ...);
  }
  void EncodeSome(const auto& in, std::span<std::byte> out) const {
    ((Fields::kEnd <= out.size() ? Fields::Encode(in, out) : void()), ...);
  }

  // Where the field of member `kMember` stands.
  template <auto kMember>
  [[nodiscard]] static consteval std::size_t OffsetOf() {
    std::size_t offset = 0;
    ((Fields::template Is<kMember>() ? void(offset = Fields::kOffset) : void()), ...);
    return offset;
  }
};

// kCorrupt for the first field of the list `kFields` whose value in `in` is out of its range.
template <const auto& kFields>
[[nodiscard]] Status CheckRanges(const auto& in) {
  const auto check = [&]<std::size_t kIndex>(Status& status) {
    constexpr auto kField = std::get<kIndex>(kFields.fields);
    if constexpr (kField.range.message != nullptr) {
      const std::uint64_t value = kField.ValueIn(in);
      if (value < kField.range.least || value > kField.range.most) {
        status = Corrupt(kField.range.message, value, kField.range.least, kField.range.most);
      }
    }
    return status.has_value();
  };
  return [&]<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
    Status status;
    (check.template operator()<kIndex>(status) && ...);
    return status;
  }(std::make_index_sequence<std::tuple_size_v<decltype(kFields.fields)>>());
}

}  // namespace instar

#endif  // FORMATS_BASE_DISK_STRUCT_H_
