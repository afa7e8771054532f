#include "cli/image_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace instar::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

vmm::ImageSpec Options(const std::string& list) {
  const auto spec = ReadImageSpec(list, {.options = true, .format = {}});
  EXPECT_TRUE(spec.has_value()) << list << ": " << (spec ? "" : spec.error().text);
  return spec.value_or(vmm::ImageSpec{});
}

vmm::ImageSpec Json(const std::string& json, const std::string& format = "") {
  const auto spec = ReadImageSpec("json:" + json, {.options = false, .format = format});
  EXPECT_TRUE(spec.has_value()) << json << ": " << (spec ? "" : spec.error().text);
  return spec.value_or(vmm::ImageSpec{});
}

std::string Fault(const std::string& list) {
  const auto spec = ReadImageSpec(list, {.options = true, .format = {}});
  EXPECT_FALSE(spec.has_value()) << list;
  return spec ? "" : spec.error().text;
}

TEST(ImageSpec, ANameIsANameWhateverItLooksLike) {
  const auto spec =
      ReadImageSpec("driver=raw,file.filename=x", {.options = false, .format = "qcow2"});
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->path, "driver=raw,file.filename=x");
  EXPECT_EQ(spec->format, "qcow2");
}

TEST(ImageSpec, AllSpellingsOfAnImageMeanTheSame) {
  const vmm::ImageSpec specs[] = {
      Options("driver=qcow2,file.driver=file,file.filename=x"),
      Options("file.filename=x,driver=qcow2"),
      Json(R"({"driver": "qcow2", "file": {"driver": "file", "filename": "x"}})"),
      Json(R"({"driver": "qcow2", "file.filename": "x"})"),
      Json(R"({"driver": "raw", "file.filename": "x"})", "qcow2"),
  };
  for (const vmm::ImageSpec& spec : specs) {
    EXPECT_EQ(spec.path, "x");
    EXPECT_EQ(spec.format, "qcow2");
    EXPECT_FALSE(spec.window);
    EXPECT_TRUE(spec.backing.empty());
    EXPECT_FALSE(spec.backing_ends);
    EXPECT_EQ(spec.name, "");
  }
}

TEST(ImageSpec, WithoutADriverTheFormatIsProbed) {
  EXPECT_EQ(Options("file.filename=x").format, "");
}

TEST(ImageSpec, AFileIsAnImageToo) {
  const vmm::ImageSpec spec = Options("driver=file,filename=x");
  EXPECT_EQ(spec.path, "x");
  EXPECT_EQ(spec.format, "file");
}

TEST(ImageSpec, NamesOfFilesAreNeverProtocols) {
  EXPECT_EQ(Options("file.filename=nbd:x").path, "./nbd:x");
  EXPECT_EQ(Options("file.filename=json:{}").path, "./json:{}");
  EXPECT_EQ(Options("file.filename=-").path, "./-");
  EXPECT_EQ(Options("file.filename=a/b:c").path, "a/b:c");
}

TEST(ImageSpec, BackingFilesFormAChain) {
  const vmm::ImageSpec spec = Options(
      "driver=qcow2,file.filename=a,backing.driver=qcow2,backing.file.filename=b,"
      "backing.backing.driver=raw,backing.backing.file.filename=c,backing.backing.offset=1k");
  ASSERT_EQ(spec.backing.size(), 2u);
  EXPECT_EQ(spec.backing[0].path, "b");
  EXPECT_EQ(spec.backing[0].format, "qcow2");
  EXPECT_EQ(spec.backing[1].path, "c");
  EXPECT_EQ(spec.backing[1].window, (vmm::RawWindow{.offset_bytes = 1024}));
  EXPECT_FALSE(spec.backing_ends);
}

TEST(ImageSpec, ALevelWithoutAFileIsTheOneThatTheImageNames) {
  const vmm::ImageSpec spec =
      Options("driver=qcow2,file.filename=a,backing.backing.file.filename=c");
  ASSERT_EQ(spec.backing.size(), 2u);
  EXPECT_EQ(spec.backing[0].path, "");
  EXPECT_EQ(spec.backing[0].format, "");
  EXPECT_EQ(spec.backing[1].path, "c");
}

TEST(ImageSpec, NullAndTheEmptyNameEndTheChain) {
  EXPECT_TRUE(Json(R"({"driver": "qcow2", "file.filename": "a", "backing": null})").backing_ends);
  EXPECT_TRUE(Options("driver=qcow2,file.filename=a,backing=").backing_ends);
  const vmm::ImageSpec below = Options(
      "driver=qcow2,file.filename=a,backing.driver=qcow2,backing.file.filename=b,backing.backing=");
  EXPECT_EQ(below.backing.size(), 1u);
  EXPECT_TRUE(below.backing_ends);
}

TEST(ImageSpec, AWindowIsReadAndNamesTheImageAsItWasWritten) {
  const vmm::ImageSpec list = Options("driver=raw,file.filename=x,size=64k,offset=0x200");
  EXPECT_EQ(list.window, (vmm::RawWindow{.offset_bytes = 512, .size_bytes = 65536}));
  EXPECT_EQ(list.name, R"(json:{"offset": "0x200", "driver": "raw", "size": "64k", )"
                       R"("file": {"driver": "file", "filename": "x"}})");
  const vmm::ImageSpec json = Json(R"({"driver": "raw", "file.filename": "a\"b", "offset": 512})");
  EXPECT_EQ(json.window, (vmm::RawWindow{.offset_bytes = 512}));
  EXPECT_EQ(json.name, R"(json:{"offset": 512, "driver": "raw", "file": {"driver": "file", )"
                       R"("filename": "a\"b"}})");
}

TEST(ImageSpec, SharingIsAskedForByEitherNodeOrByNotLocking) {
  EXPECT_FALSE(Options("file.filename=x").force_share);
  for (const char* option : {"force-share=on", "file.force-share=on", "file.locking=off"}) {
    EXPECT_TRUE(Options(std::string("file.filename=x,") + option).force_share) << option;
  }
}

TEST(ImageSpec, WhatChangesNothingIsAccepted) {
  for (const char* option :
       {"read-only=on", "auto-read-only=off", "cache.direct=on", "cache.no-flush=y",
        "discard=unmap", "detect-zeroes=on", "node-name=a.b-c_1", "lazy-refcounts=on",
        "overlap-check=all", "overlap-check.main-header=on", "l2-cache-size=1M",
        "cache-clean-interval=10", "file.aio=threads", "file.locking=auto", "file.read-only=on",
        "file.drop-cache=off", "discard=on,detect-zeroes=unmap",
        "cache.direct=on,file.aio=native"}) {
    Options(std::string("driver=qcow2,file.filename=x,") + option);
  }
}

TEST(ImageSpec, MistakesAreToldInOneLineWithTheSpecification) {
  const struct {
    const char* list;
    const char* says;
  } kCases[] = {
      {"", "Must specify either driver or file"},
      {"x", "Cannot find device='x' nor node-name='x'"},
      {"filename=x", "Must specify either driver or file"},
      {"driver=qcow2", "A block device must be specified for \"file\""},
      {"driver=qcow2,filename=x", "A block device must be specified for \"file\""},
      {"driver=nonsense,file.filename=x", "Unknown driver 'nonsense'"},
      {"driver=qcow2,file=x", "Cannot find device='x' nor node-name='x'"},
      {"driver=qcow2,file=x,file.filename=y", "Cannot reference an existing block device"},
      {"driver=qcow2,file.driver=file", "The 'file' block driver requires a file name"},
      {"driver=qcow2,file.filename=", "The 'file' block driver requires a file name"},
      {"driver=file", "The 'file' block driver requires a file name"},
      {"driver=qcow2,file.driver=nbd,file.host=x", "Driver 'nbd' is not supported"},
      {"driver=qcow2,file.driver=raw,file.file.filename=x", "Driver 'raw' is not supported"},
      {"driver=qcow2,file.filename=x,unknown=1", "does not support the option 'unknown'"},
      {"driver=qcow2,file.filename=x,file.unknown=1", "protocol 'file' does not support"},
      {"driver=qcow2,file.filename=x,offset=0", "does not support the option 'offset'"},
      {"driver=raw,file.filename=x,lazy-refcounts=on", "does not support the option"},
      {"driver=raw,file.filename=x,offset=-1", "Parameter 'offset' expects"},
      {"driver=raw,file.filename=x,offset", "Parameter 'offset' expects"},
      {"driver=raw,file.filename=x,size=1kk", "Parameter 'size' expects"},
      {"file.filename=x,read-only=1", "Parameter 'read-only' expects 'on' or 'off'"},
      {"file.filename=x,force-share=maybe", "Parameter 'force-share' expects"},
      {"file.filename=x,discard=foo", "Invalid value of 'discard': foo"},
      {"file.filename=x,detect-zeroes=unmap", "setting detect-zeroes to unmap is not allowed"},
      {"file.filename=x,node-name=1x", "Invalid node-name: '1x'"},
      {"file.filename=x,file.aio=native", "it requires cache.direct=on"},
      {"file.filename=x,file.pr-manager=m", "No persistent reservation manager"},
      {"driver=raw,file.filename=x,backing.file.filename=y", "Driver doesn't support backing"},
      {"file.filename=x,backing=y", "Could not open backing file: Cannot find device='y'"},
      {"file.filename=x,backing.filename=y", "Could not open backing file: Block format"},
      {"file.filename=x,backing=,backing.driver=raw", "'backing' is both null and described"},
      {"driver=qcow2,file.filename=x,data-file.filename=y", "'data-file' is not supported"},
      {"driver=qcow2,file.filename=x,encrypt.key-secret=y", "'encrypt' is not supported"},
  };
  for (const auto& c : kCases) {
    const std::string fault = Fault(c.list);
    EXPECT_THAT(fault, StartsWith(std::string("Could not open '") + c.list + "': "));
    EXPECT_THAT(fault, HasSubstr(c.says)) << c.list;
    EXPECT_EQ(fault.find('\n'), std::string::npos);
  }
}

TEST(ImageSpec, ValuesOfJsonHaveToBeOfTheirKind) {
  for (const char* rest :
       {R"("file.filename": "x", "driver": 1)", R"("file.filename": "x", "driver": {})",
        R"("file.filename": "x", "read-only": 1)", R"("file.filename": "x", "offset": true)",
        R"("file.filename": "x", "offset": 0.5)", R"("file.filename": "x", "offset": -1)",
        R"("file.filename": "x", "offset": {})", R"("file.filename": 7)",
        R"("file.filename": "a\u0000b")"}) {
    EXPECT_FALSE(ReadImageSpec("json:{" + std::string(rest) + "}", {})) << rest;
  }
}

TEST(ImageSpec, OptionsAndAFormatExcludeEachOther) {
  const auto spec = ReadImageSpec("file.filename=x", {.options = true, .format = "raw"});
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().text, "--image-opts and --format are mutually exclusive");
}

TEST(TargetSpec, IsAFileItsFormatAndItsWindow) {
  const auto list =
      ReadTargetSpec("driver=raw,file.filename=x,offset=1k", /*image_opts=*/true, "qcow2");
  ASSERT_TRUE(list);
  EXPECT_EQ(list->path, "x");
  EXPECT_EQ(list->format, "raw");
  EXPECT_EQ(list->window, (vmm::RawWindow{.offset_bytes = 1024}));
  const auto json = ReadTargetSpec(R"(json:{"driver": "raw", "file.filename": "x"})",
                                   /*image_opts=*/false, "qcow2");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->format, "qcow2");
}

TEST(TargetSpec, RefusesWhatCannotBeWritten) {
  for (const char* list :
       {"file.filename=x", "driver=raw,file.filename=x,read-only=on",
        "driver=raw,file.filename=x,force-share=on", "driver=raw,file.filename=x,file.locking=off",
        "driver=qcow2,file.filename=x,backing=",
        "driver=qcow2,file.filename=x,backing.driver=raw"}) {
    EXPECT_FALSE(ReadTargetSpec(list, /*image_opts=*/true, "raw")) << list;
  }
}

}  // namespace
}  // namespace instar::cli
