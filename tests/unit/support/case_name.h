// Names the cases of a table-driven test after their member `name`.
#ifndef TESTS_UNIT_SUPPORT_CASE_NAME_H_
#define TESTS_UNIT_SUPPORT_CASE_NAME_H_

#include <gtest/gtest.h>

#include <string>

namespace instar::test {

struct CaseName {
  template <typename Case>
  std::string operator()(const testing::TestParamInfo<Case>& tested) const {
    return tested.param.name;
  }
};

}  // namespace instar::test

#endif  // TESTS_UNIT_SUPPORT_CASE_NAME_H_
