#include "billing/bank_statement.h"

#include <gtest/gtest.h>

namespace tg {
namespace {

std::string error(const Result<BankStatement>& statement) {
    return statement.ok() ? "" : statement.error().detail;
}

/// As exported by ICBC: a title row, thousands separators, separate columns, newest first.
constexpr std::string_view kIcbc =
    "\xEF\xBB\xBF"
    "中国工商银行账户明细,,,,,,\r\n"
    "交易时间,借方发生额,贷方发生额,余额,摘要,对方户名,对方账号\r\n"
    "2026-04-08 "
    "10:20:30,,\"94,222.22\",\"194,122.22\",BILL-acme-202603,极光科技有限公司,6222001\r\n"
    "2026-04-07 09:00:00,100.00,,\"99,900.00\",手续费,,\r\n"
    "合计,100.00,,,,,\r\n";

TEST(BankStatementTest, a_csv_file_of_icbc) {
    const Result<BankStatement> read = parse_statement_csv(kIcbc, csv_mapping("icbc").value());
    ASSERT_TRUE(read.ok()) << read.error().text();
    ASSERT_EQ(read->rows.size(), 2U) << "the sum at the end has no day";
    EXPECT_EQ(read->rows[0].fen, -100'00) << "oldest first";
    const StatementRow& paid = read->rows[1];
    EXPECT_EQ(paid.fen, 94'222'22);
    EXPECT_EQ(day_text(paid.day), "2026-04-08");
    EXPECT_EQ(paid.payer_name, "极光科技有限公司");
    EXPECT_EQ(paid.payer_account, "6222001");
    EXPECT_EQ(paid.text, "BILL-acme-202603");
    EXPECT_EQ(paid.line, 3);
    EXPECT_EQ(read->opening_fen, 100'000'00);
    EXPECT_EQ(read->closing_fen, 194'122'22);
}

TEST(BankStatementTest, gbk_is_read_too) {
    // "日期,收入,摘要" and "货款" in GBK.
    const std::string gbk =
        "\xC8\xD5\xC6\xDA,\xCA\xD5\xC8\xEB,\xD5\xAA\xD2\xAA\n2026/4/8,5.00,\xBB\xF5\xBF\xEE\n";
    const Result<BankStatement> read = parse_statement_csv(gbk, csv_mapping("generic").value());
    ASSERT_TRUE(read.ok()) << read.error().text();
    ASSERT_EQ(read->rows.size(), 1U);
    EXPECT_EQ(read->rows[0].text, "货款");
    EXPECT_EQ(day_text(read->rows[0].day), "2026-04-08");
}

TEST(BankStatementTest, a_column_for_the_direction) {
    const CsvMapping mapping =
        parse_csv_mapping(R"({"day":"日","credit":"金额","direction":"向","incoming":"贷"})")
            .value();
    const Result<BankStatement> read =
        parse_statement_csv("日,金额,向\n20260408,12.5,贷\n2026年4月9日,2.5,借\n", mapping);
    ASSERT_TRUE(read.ok()) << read.error().text();
    ASSERT_EQ(read->rows.size(), 2U);
    EXPECT_EQ(read->rows[0].fen, 12'50);
    EXPECT_EQ(read->rows[1].fen, -2'50);
    EXPECT_EQ(day_text(read->rows[1].day), "2026-04-09");
}

TEST(BankStatementTest, what_is_wrong_with_a_csv_file_is_named) {
    const CsvMapping mapping = csv_mapping("generic").value();
    const std::pair<std::string, std::string> cases[] = {
        {"a,b\n1,2\n", "no row among the first 20 has the columns"},
        {"date,credit\n2026-13-01,5\n", "line 2: '2026-13-01' is no day such as 2026-03-05"},
        {"date,credit\n2026-03-01,5.005\n", "line 2: '5.005' is no amount such as 1,234.50"},
        {"date,credit,balance\n2026-03-01,5,105\n2026-03-02,5,111\n",
         "line 3: the balance 111.00 does not follow from 105.00 in the row before"},
        {"date,credit\n\"2026-03-01,5\n", "line 2: a cell begins with a quote that is not closed"},
        {"date,credit\n\xff\xff,5\n", "neither UTF-8 nor GBK"},
    };
    for (const auto& [text, says] : cases) {
        const std::string found = error(parse_statement_csv(text, mapping));
        EXPECT_NE(found.find(says), std::string::npos) << found;
    }
    EXPECT_NE(csv_mapping("abc").error().detail.find("icbc, cmb and generic"), std::string::npos);
    EXPECT_FALSE(parse_csv_mapping(R"({"day":"d"})").ok());
    EXPECT_FALSE(parse_csv_mapping(R"({"day":"d","credit":"c","colour":"x"})").ok());
}

constexpr std::string_view kMt940 =
    ":20:STMT1\r\n:25:6222001234\r\n:28C:7/1\r\n:60F:C260407CNY100000,00\r\n"
    ":61:2604080408C94222,22NTRFNONREF//BANK-1\r\n:86:BILL-acme-202603 Aurora\r\n Technology\r\n"
    ":61:260408D100,NCHG//FEE\r\n:61:2604080408RC22,22NTRFX//"
    "BACK\r\n:62F:C260408CNY194100,00\r\n-\r\n";

TEST(BankStatementTest, mt940) {
    const Result<BankStatement> read = parse_mt940(kMt940);
    ASSERT_TRUE(read.ok()) << read.error().text();
    EXPECT_EQ(read->account, "6222001234");
    EXPECT_EQ(read->opening_fen, 100'000'00);
    EXPECT_EQ(read->closing_fen, 194'100'00);
    ASSERT_EQ(read->rows.size(), 3U);
    EXPECT_EQ(read->rows[0].fen, 94'222'22);
    EXPECT_EQ(read->rows[0].reference, "BANK-1");
    EXPECT_EQ(read->rows[0].text, "BILL-acme-202603 AuroraTechnology")
        << "a line is broken where it is full, not between words";
    EXPECT_EQ(read->rows[1].fen, -100'00);
    EXPECT_EQ(read->rows[2].fen, -22'22) << "a credit that was taken back";
}

TEST(BankStatementTest, what_is_wrong_with_an_mt940_file_is_named) {
    const auto with = [](std::string_view from, std::string_view to) {
        std::string text(kMt940);
        text.replace(text.find(from), from.size(), to);
        return error(parse_mt940(text));
    };
    EXPECT_EQ(with("194100,00", "194100,01"),
              "line 10: the rows add up to 194,100.00, but the closing balance is 194,100.01");
    EXPECT_NE(with("CNY100000", "USD100000").find("the account is in USD"), std::string::npos);
    EXPECT_NE(with("C94222,22", "X94222,22").find("a credit (C) or a debit (D)"),
              std::string::npos);
    EXPECT_NE(with(":61:2604080408C", ":61:2613080408C").find("is no day"), std::string::npos);
    EXPECT_NE(error(parse_mt940("hello")).find("is no MT940 statement"), std::string::npos);
    const std::string two =
        std::string(kMt940) + ":25:6222001234\r\n:60F:C260408CNY1,00\r\n:62F:C260408CNY1,00\r\n";
    EXPECT_NE(error(parse_mt940(two)).find("does not follow from the one before"),
              std::string::npos);
    EXPECT_NE(error(parse_mt940(std::string(kMt940) + ":25:777\r\n")).find("another account"),
              std::string::npos);
}

constexpr std::string_view kCamt053 = R"(<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId></GrpHdr>
<Stmt><Id>S1</Id><Acct><Id><Othr><Id>6222001234</Id></Othr></Id></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">1000.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="CNY">3807.50</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Ntry><Amt Ccy="CNY">1908.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-04-08</Dt></BookgDt>
<AcctSvcrRef>BANK-1</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>
<RltdPties><Dbtr><Pty><Nm>Aurora &amp; Co</Nm></Pty></Dbtr><DbtrAcct><Id><IBAN>DE00123</IBAN></Id></DbtrAcct></RltdPties>
<RmtInf><Ustrd>BILL-acme-</Ustrd><Ustrd>202603</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="CNY">1000.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><DtTm>2026-04-09T10:00:00</DtTm></BookgDt>
<AcctSvcrRef>BANK-2</AcctSvcrRef><NtryDtls>
<TxDtls><Refs><AcctSvcrRef>T1</AcctSvcrRef></Refs><Amt Ccy="CNY">400.00</Amt><RmtInf><Strd><CdtrRefInf><Ref>BILL-b-202603</Ref></CdtrRefInf></Strd></RmtInf></TxDtls>
<TxDtls><Refs><AcctSvcrRef>T2</AcctSvcrRef></Refs><AmtDtls><TxAmt><Amt Ccy="CNY">600.00</Amt></TxAmt></AmtDtls></TxDtls>
</NtryDtls></Ntry>
<Ntry><Amt Ccy="CNY">100.50</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-04-09</Dt></BookgDt><AddtlNtryInf>fee</AddtlNtryInf></Ntry>
<Ntry><Amt Ccy="CNY">77.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>PDNG</Sts><BookgDt><Dt>2026-04-09</Dt></BookgDt></Ntry>
</Stmt></BkToCstmrStmt></Document>
)";

TEST(BankStatementTest, camt053) {
    const Result<BankStatement> read = parse_camt053(kCamt053);
    ASSERT_TRUE(read.ok()) << read.error().text();
    EXPECT_EQ(read->account, "6222001234");
    EXPECT_EQ(read->opening_fen, 1'000'00);
    EXPECT_EQ(read->closing_fen, 3'807'50);
    ASSERT_EQ(read->rows.size(), 4U) << "what is pending is left out";
    EXPECT_EQ(read->rows[0].fen, 1'908'00);
    EXPECT_EQ(read->rows[0].reference, "BANK-1");
    EXPECT_EQ(read->rows[0].payer_name, "Aurora & Co");
    EXPECT_EQ(read->rows[0].payer_account, "DE00123");
    EXPECT_EQ(read->rows[0].text, "BILL-acme- 202603");
    EXPECT_EQ(day_text(read->rows[0].day), "2026-04-08");
    EXPECT_EQ(read->rows[1].fen, 400'00) << "one entry over two transactions";
    EXPECT_EQ(read->rows[1].reference, "T1");
    EXPECT_EQ(read->rows[1].text, "BILL-b-202603");
    EXPECT_EQ(read->rows[2].fen, 600'00);
    EXPECT_EQ(read->rows[3].fen, -100'50);
    EXPECT_EQ(read->rows[3].text, "fee");
}

TEST(BankStatementTest, camt053_with_a_prefix_and_without_balances) {
    std::string text(kCamt053);
    for (std::size_t at = 0; (at = text.find("<", at)) != std::string::npos; ++at) {
        if (text[at + 1] == '?') continue;
        text.insert(at + (text[at + 1] == '/' ? 2 : 1), "ns:");
    }
    const Result<BankStatement> read = parse_camt053(text);
    ASSERT_TRUE(read.ok()) << read.error().text();
    EXPECT_EQ(read->rows.size(), 4U);
}

TEST(BankStatementTest, what_is_wrong_with_a_camt053_file_is_named) {
    const auto with = [](std::string_view from, std::string_view to) {
        std::string text(kCamt053);
        text.replace(text.find(from), from.size(), to);
        return error(parse_camt053(text));
    };
    EXPECT_EQ(with("3807.50", "3807.51"),
              "line 3: the entries add up to 3,807.50, but the closing balance is 3,807.51");
    EXPECT_NE(with(R"(Ccy="CNY">1908)", R"(Ccy="USD">1908)").find("the amount is in USD"),
              std::string::npos);
    EXPECT_NE(with("1908.00", "1908.005").find("line 6: '1908.005' is no amount"),
              std::string::npos);
    EXPECT_NE(with("<CdtDbtInd>DBIT", "<CdtDbtInd>OUT").find("not CRDT or DBIT"),
              std::string::npos);
    EXPECT_NE(with("2026-04-08", "2026-04-31").find("is no day"), std::string::npos);
    EXPECT_NE(with("</Ntry>", "").find("is no XML"), std::string::npos);
    EXPECT_NE(error(parse_camt053("<Document/>")).find("no camt.053 statement"), std::string::npos);
    std::string two(kCamt053);
    const std::size_t end = two.find("</BkToCstmrStmt>");
    const std::string again =
        two.substr(two.find("<Stmt>"), two.find("</Stmt>") + 7 - two.find("<Stmt>"));
    two.insert(end, again);
    EXPECT_NE(error(parse_camt053(two)).find("does not follow from the one before"),
              std::string::npos);
}

}  // namespace
}  // namespace tg
