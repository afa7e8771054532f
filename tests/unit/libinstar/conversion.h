// Conversions between devices in memory.
#ifndef TESTS_UNIT_LIBINSTAR_CONVERSION_H_
#define TESTS_UNIT_LIBINSTAR_CONVERSION_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "instar/verbs.h"
#include "support/disk_image.h"

namespace instar::test {

inline constexpr DeviceId kSource{1};
inline constexpr DeviceId kSource2{2};
inline constexpr DeviceId kBase{3};
inline constexpr DeviceId kDataFile{4};
inline constexpr DeviceId kTarget{9};
inline constexpr std::uint64_t kCluster = 65536;
inline constexpr std::uint64_t kMiB = 1 << 20;

inline ConvertRequest To(FormatId format) {
  return {.sources = {kSource}, .target = kTarget, .target_format = format};
}

inline void ExpectConverts(FakeHost& host, const ConvertRequest& request) {
  const Status status = RunConvert(host, request);
  EXPECT_TRUE(status.has_value()) << (status ? "" : status.error().message);
}

inline Error ErrorOf(FakeHost& host, const ConvertRequest& request) {
  const Status status = RunConvert(host, request);
  EXPECT_FALSE(status.has_value());
  return status ? Error{} : status.error();
}

// The first bytes of a raw target.
inline Bytes FileOf(FakeHost& host, DeviceId id) {
  Bytes bytes(host.At(id).file.size);
  host.At(id).file.Read(0, bytes);
  return bytes;
}

// 9 MiB of everything a qcow2 image can hold, with odd boundaries against chunks and blocks.
inline Bytes MakeMixedQcow2(FakeHost& host, DeviceId id, const std::string& options = "") {
  ImageBuilder image(host, id, 9 * kMiB + 512, options);
  Bytes sparse = Pattern(3, 4 * kCluster);
  std::fill_n(sparse.begin() + 4096, 8192, std::byte{0});
  std::fill_n(sparse.begin() + kCluster + 512, 1024, std::byte{0});
  std::fill_n(sparse.begin() + 2 * kCluster, kCluster, std::byte{0});
  image.Data(0, Pattern(1, kCluster));
  image.Data(3 * kCluster, sparse);
  image.Zero(10 * kCluster, 2 * kCluster);
  for (unsigned i = 0; i < 40; ++i) image.Compressed(2 * kMiB + i * kCluster, Pattern(i, kCluster));
  image.Data(6 * kMiB - kCluster, Noise(5, 3 * kCluster));
  image.Compressed(7 * kMiB, Bytes(kCluster));  // zeros, compressed
  image.Data(9 * kMiB, Pattern(6, 512));
  return image.Finish();
}

}  // namespace instar::test

#endif  // TESTS_UNIT_LIBINSTAR_CONVERSION_H_
