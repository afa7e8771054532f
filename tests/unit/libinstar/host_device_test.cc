// The start of an image, kept by the device it stands on.
#include <gtest/gtest.h>

#include "instar/chain.h"
#include "instar/host.h"
#include "support/disk_image.h"

namespace instar::test {
namespace {

constexpr DeviceId kImage{1};

TEST(HostDevice, ProbedImageIsOpenedFromOneRead) {
  FakeHost host;
  ImageBuilder(host, kImage, 65536).Finish();
  const unsigned before = host.calls(FakeHost::Call::kRead);
  ASSERT_TRUE(Chain::Open(host, {.image = kImage}).has_value());
  EXPECT_EQ(host.calls(FakeHost::Call::kRead), before + 1);
}

TEST(HostDevice, KeptHeadServesOnlyWhatLiesWithinIt) {
  FakeHost host;
  ImageBuilder(host, kImage, 65536).Data(0, Pattern(3, 65536)).Finish();
  auto plain = HostDevice::Open(host, kImage);
  auto kept = HostDevice::Open(host, kImage);
  ASSERT_TRUE(plain.has_value() && kept.has_value());
  ASSERT_TRUE(kept->KeepEnds().has_value());
  constexpr std::uint64_t kHead = HostDevice::kHeadBytes;
  struct Piece {
    std::uint64_t offset;
    std::size_t length;
    bool served;
  };
  for (const Piece& piece : {Piece{0, kHead, true}, Piece{100, 8, true}, Piece{kHead - 1, 1, true},
                             Piece{kHead - 1, 2, false}, Piece{kHead, 1, false},
                             Piece{0, kHead + 1, false}, Piece{~0ull, 1, false}}) {
    Bytes got(piece.length);
    Bytes want(piece.length);
    const unsigned before = host.calls(FakeHost::Call::kRead);
    const bool read = kept->Read(piece.offset, got).has_value();
    EXPECT_EQ(host.calls(FakeHost::Call::kRead) == before, piece.served) << piece.offset;
    EXPECT_EQ(read, plain->Read(piece.offset, want).has_value()) << piece.offset;
    EXPECT_EQ(got, want) << piece.offset;
  }
}

TEST(HostDevice, WhatNeedNotOutliveTheMachineIsNotFlushed) {
  for (const bool unflushed : {false, true}) {
    FakeHost host;
    host.AddTarget(kImage).unflushed = unflushed;
    auto device = HostDevice::Open(host, kImage);
    ASSERT_TRUE(device.has_value());
    EXPECT_TRUE(device->Flush().has_value());
    EXPECT_EQ(host.calls(FakeHost::Call::kFlush), unflushed ? 0u : 1u);
  }
}

}  // namespace
}  // namespace instar::test
