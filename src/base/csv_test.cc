#include "base/csv.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

TEST(Csv, PlainTextAndNumbersStayAsTheyAre) {
    for (const char* text : {"", "acme", "gpt-4o", "-1.50", "+7", "-0", "12345678.901", "华东"})
        EXPECT_EQ(csv_cell(text), text);
}

TEST(Csv, CellsWithSeparatorsAreQuoted) {
    EXPECT_EQ(csv_cell("Acme, Inc."), "\"Acme, Inc.\"");
    EXPECT_EQ(csv_cell("the \"best\""), "\"the \"\"best\"\"\"");
    EXPECT_EQ(csv_cell("two\r\nlines"), "\"two\r\nlines\"");
}

TEST(Csv, WhatWouldRunAsAFormulaIsText) {
    for (const std::string text : {"=1+1", "+A1", "-2+3", "-", "-.", "-1.2.3", "@SUM(A1)", "\t=1",
                                   "\r=1", "\n=1", "'=1", "＝1+1", "＋1", "－1", "＠A1"}) {
        EXPECT_EQ(csv_cell(text), "\"'" + text + "\"");
    }
    EXPECT_EQ(csv_cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
}

}  // namespace
}  // namespace tg
