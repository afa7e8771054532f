#include "broker/reference_name.h"

#include <gtest/gtest.h>

#include "broker/local_path.h"

namespace instar::vmm {
namespace {

TEST(ReferenceName, NormalizationDropsDotsAndStaysBelowTheRoot) {
  EXPECT_EQ(NormalizePath("/a/./b//c/../d"), "/a/b/d");
  EXPECT_EQ(NormalizePath("/../../a"), "/a");
  EXPECT_EQ(NormalizePath("/"), "/");
  EXPECT_EQ(NormalizePath("/a/.."), "/");
  EXPECT_EQ(NormalizePath("/..."), "/...");
}

TEST(ReferenceName, StaysInsideLooksAtEveryPrefix) {
  EXPECT_TRUE(StaysInside("a/../b"));
  EXPECT_TRUE(StaysInside("a/b/../../c"));
  EXPECT_TRUE(StaysInside("./a"));
  EXPECT_TRUE(StaysInside("..a/b"));
  EXPECT_FALSE(StaysInside("../a"));
  EXPECT_FALSE(StaysInside("a/../../a/b"));
  EXPECT_FALSE(StaysInside(".."));
}

TEST(ReferenceName, AColonBeforeTheFirstSlashIsAProtocol) {
  EXPECT_TRUE(HasProtocol("nbd:host"));
  EXPECT_TRUE(HasProtocol("a:b/c"));
  EXPECT_TRUE(HasProtocol(":"));
  EXPECT_FALSE(HasProtocol("./a:b"));
  EXPECT_FALSE(HasProtocol("/dir/a:b"));
  EXPECT_FALSE(HasProtocol("plain"));
}

TEST(ReferenceName, PathsAreCombinedAsQemuDoes) {
  EXPECT_EQ(CombinePath("top.img", "base.img"), "base.img");
  EXPECT_EQ(CombinePath("dir/top.img", "base.img"), "dir/base.img");
  EXPECT_EQ(CombinePath("/top.img", "../base.img"), "/../base.img");
  EXPECT_EQ(CombinePath("dir/top.img", "/base.img"), "/base.img");
}

TEST(ReferenceName, ARootDoesNotContainItsNeighbours) {
  std::vector<ReferenceRoot> roots(1);
  roots[0].given_path = roots[0].real_path = "/images";
  const ReferenceLocation nowhere{.real_directory = "/tmp"};
  EXPECT_FALSE(ResolveReference(nowhere, "/images2/a", roots));
  EXPECT_FALSE(ResolveReference(nowhere, "/images", roots));
  EXPECT_FALSE(ResolveReference(nowhere, "/images/", roots));
  ASSERT_TRUE(ResolveReference(nowhere, "/images/a", roots));
  ASSERT_TRUE(ResolveReference(nowhere, "../images/a", roots));
}

TEST(ReferenceName, TheRootDirectoryContainsEverything) {
  std::vector<ReferenceRoot> roots(1);
  roots[0].given_path = roots[0].real_path = "/";
  const ReferenceLocation nowhere{.real_directory = "/tmp"};
  const auto resolved = ResolveReference(nowhere, "/etc/hosts", roots);
  ASSERT_TRUE(resolved);
  EXPECT_EQ(resolved->relative_path, "etc/hosts");
}

TEST(ReferenceName, WhatStaysInItsRootIsLeftToTheKernelAsWritten) {
  std::vector<ReferenceRoot> roots(1);
  roots[0].given_path = roots[0].real_path = "/images";
  const ReferenceLocation top{
      .root = 0, .home_root = 0, .relative_path = "top.img", .real_directory = "/images"};
  EXPECT_EQ(ResolveReference(top, "link/../base.img", roots)->relative_path, "link/../base.img");
  EXPECT_EQ(ResolveReference(top, "/images/link/../base.img", roots)->relative_path,
            "link/../base.img");
  EXPECT_EQ(ResolveReference(top, "../images/base.img", roots)->relative_path, "base.img");
}

TEST(LocalPath, OnlyPlainPathsAndFileAreTaken) {
  EXPECT_EQ(LocalPath("a/b").value(), "a/b");
  EXPECT_EQ(LocalPath("file:a").value(), "a");
  EXPECT_EQ(LocalPath("file:a:b").value(), "./a:b");
  EXPECT_EQ(LocalPath("file:/a:b").value(), "/a:b");
  EXPECT_EQ(LocalPath("./a:b").value(), "./a:b");
  EXPECT_EQ(LocalPath("a:b").status().message(), "Could not open 'a:b': Unknown protocol 'a'");
  EXPECT_EQ(LocalPath("").status().message(),
            "Could not open '': The 'file' block driver requires a file name");
  EXPECT_EQ(LocalPath("json:{}").status().code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace instar::vmm
