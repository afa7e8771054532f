#include "jail/call_filter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace instar::vmm {
namespace {

using Arguments = std::array<std::uint64_t, 6>;
constexpr std::uint32_t kOwn = AUDIT_ARCH_X86_64;

// What the kernel would do: the program run over one call. Nothing if it does not end by a verdict.
std::optional<std::uint32_t> Verdict(const CallFilter& filter, const seccomp_data& call) {
  const std::vector<sock_filter> program = filter.Program();
  std::uint32_t accumulator = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& step = program[at];
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (step.k % 4 != 0 || step.k > sizeof(call) - 4) return std::nullopt;
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + step.k, 4);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= step.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += accumulator == step.k ? step.jt : step.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += accumulator >= step.k ? step.jt : step.jf;
        break;
      case BPF_JMP | BPF_JA:
        at += step.k;
        break;
      case BPF_RET | BPF_K:
        return step.k;
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

bool Allowed(const CallFilter& filter, long number, const Arguments& arguments = {},
             std::uint32_t architecture = kOwn) {
  seccomp_data call{};
  call.nr = static_cast<int>(number);
  call.arch = architecture;
  std::ranges::copy(arguments, call.args);
  const auto verdict = Verdict(filter, call);
  EXPECT_TRUE(verdict == SECCOMP_RET_ALLOW || verdict == SECCOMP_RET_KILL_PROCESS);
  return verdict == SECCOMP_RET_ALLOW;
}

TEST(CallFilter, AnEmptyListAllowsNothing) {
  EXPECT_FALSE(Allowed(CallFilter(), SYS_read));
  EXPECT_FALSE(Allowed(CallFilter(), 0));
}

TEST(CallFilter, AllowsWhatIsListedWhateverItsArguments) {
  CallFilter filter;
  filter.Allow(SYS_read);
  filter.Allow(SYS_exit_group);
  EXPECT_TRUE(Allowed(filter, SYS_read));
  EXPECT_TRUE(Allowed(filter, SYS_exit_group, {1, 2, 3, 4, 5, 6}));
  EXPECT_FALSE(Allowed(filter, SYS_write));
  EXPECT_FALSE(Allowed(filter, -1));
}

TEST(CallFilter, AllowsEachNumberOfARunAndNoneBesideIt) {
  CallFilter filter;
  for (const long number : {0, 1, 2, 7, 8, 9, 11}) filter.Allow(number);
  filter.Allow(3, {{.index = 0, .mask = 1, .value = 1}});
  filter.Allow(10, {{.index = 0, .mask = 1, .value = 1}});
  for (long number = -2; number < 20; ++number) {
    const bool always =
        (number >= 0 && number <= 2) || (number >= 7 && number <= 11 && number != 10);
    const bool odd = number == 3 || number == 10;
    EXPECT_EQ(Allowed(filter, number, {0}), always) << number;
    EXPECT_EQ(Allowed(filter, number, {1}), always || odd) << number;
  }
}

TEST(CallFilter, ManyCallsAreAllJudged) {
  CallFilter filter;
  for (long number = 0; number < 1000; number += 2) filter.Allow(number);
  for (long number = 1; number < 1000; number += 100) {
    filter.Allow(number, {{.index = 5, .mask = ~std::uint64_t{0}, .value = 77}});
  }
  for (long number = 0; number < 1002; ++number) {
    const bool known = number < 1000;
    EXPECT_EQ(Allowed(filter, number), known && number % 2 == 0) << number;
    EXPECT_EQ(Allowed(filter, number, {0, 0, 0, 0, 0, 77}),
              known && (number % 2 == 0 || number % 100 == 1))
        << number;
  }
}

TEST(CallFilter, WhatIsAllowedWhateverItsArgumentsStaysSo) {
  CallFilter filter;
  filter.Allow(5);
  filter.Allow(5, {{.index = 0, .mask = 1, .value = 1}});
  filter.Allow(6, {{.index = 0, .mask = 1, .value = 1}});
  filter.Allow(6);
  EXPECT_TRUE(Allowed(filter, 5));
  EXPECT_TRUE(Allowed(filter, 6));
}

TEST(CallFilter, KillsTheCallsOfOtherArchitectures) {
  CallFilter filter;
  filter.Allow(SYS_read);
  filter.Allow(SYS_ioctl, {{.index = 1, .mask = 0xFF, .value = 7}});
  EXPECT_FALSE(Allowed(filter, SYS_read, {}, AUDIT_ARCH_I386));
  EXPECT_FALSE(Allowed(filter, SYS_ioctl, {0, 7}, AUDIT_ARCH_I386));
  constexpr long kX32 = 0x40000000;
  EXPECT_FALSE(Allowed(filter, kX32 | SYS_read));
  EXPECT_FALSE(Allowed(filter, kX32 | SYS_ioctl, {0, 7}));
}

TEST(CallFilter, ComparesAllBitsOfTheMaskAndNoOthers) {
  CallFilter filter;
  filter.Allow(SYS_ioctl, {{.index = 1, .mask = ~std::uint64_t{0}, .value = 0x100000002}});
  filter.Allow(SYS_kill, {{.index = 0, .mask = 0xFFFFFFFF, .value = 5}});
  filter.Allow(SYS_mmap, {{.index = 2, .mask = 4, .value = 0}});
  filter.Allow(SYS_fcntl, {{.index = 5, .mask = 0xF000000000000000, .value = 0x7000000000000000}});
  EXPECT_TRUE(Allowed(filter, SYS_ioctl, {9, 0x100000002}));
  EXPECT_FALSE(Allowed(filter, SYS_ioctl, {9, 2}));
  EXPECT_FALSE(Allowed(filter, SYS_ioctl, {9, 0x300000002}));
  EXPECT_FALSE(Allowed(filter, SYS_ioctl, {0x100000002, 9}));
  EXPECT_TRUE(Allowed(filter, SYS_kill, {0xABC00000005}));
  EXPECT_FALSE(Allowed(filter, SYS_kill, {4}));
  EXPECT_TRUE(Allowed(filter, SYS_mmap, {0, 0, 3}));
  EXPECT_FALSE(Allowed(filter, SYS_mmap, {0, 0, 7}));
  EXPECT_TRUE(Allowed(filter, SYS_fcntl, {0, 0, 0, 0, 0, 0x7FFFFFFFFFFFFFFF}));
  EXPECT_FALSE(Allowed(filter, SYS_fcntl, {0, 0, 0, 0, 0, 0x8FFFFFFFFFFFFFFF}));
}

TEST(CallFilter, DemandsAllConditionsOfOneEntryAndAnyOfSeveral) {
  CallFilter filter;
  for (const std::uint64_t first : {3u, 4u}) {
    filter.Allow(SYS_unlinkat, {{.index = 0, .mask = 0xFFFFFFFF, .value = first},
                                {.index = 2, .mask = 0xFFFFFFFF, .value = first + 10}});
  }
  filter.Allow(SYS_close, {{.index = 0, .mask = ~std::uint64_t{0}, .value = 8}});
  EXPECT_TRUE(Allowed(filter, SYS_unlinkat, {3, 99, 13}));
  EXPECT_TRUE(Allowed(filter, SYS_unlinkat, {4, 99, 14}));
  EXPECT_FALSE(Allowed(filter, SYS_unlinkat, {3, 99, 14}));
  EXPECT_FALSE(Allowed(filter, SYS_unlinkat, {4, 99, 13}));
  EXPECT_TRUE(Allowed(filter, SYS_close, {8}));
  EXPECT_FALSE(Allowed(filter, SYS_close, {3}));
}

}  // namespace
}  // namespace instar::vmm
