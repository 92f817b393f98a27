// Every flow in numbers that a finance person can check by hand: what goes in, what is booked.
#include "ledger/flows.h"

#include <set>

#include "ledger/test_ledger.h"

namespace tg {
namespace {

std::string booked(Result<Entry> entry) {
    return entry.ok() ? "\n" + entry_as_text(*entry) : entry.error().text();
}

TEST(UsageFlow, BatchIsAccruedExactlyByProjectAndMonth) {
    EXPECT_EQ(booked(usage_accrued({.batch_id = "1-20000/7/USD",
                                    .customer = kAcme,
                                    .currency = Currency::usd,
                                    .occurred_at = kNoon,
                                    .parts = {{ProjectId{3}, "2026-11", money("0.0000350625")},
                                              {ProjectId{4}, "2026-11", money("1234.5")},
                                              {ProjectId{3}, "2026-11", money("0.000000000000001")},
                                              {ProjectId{3}, "2026-12", money("2")}}})),
              R"(
usage_batch 1-20000/7/USD
  Dr 1201 Unbilled receivable, customer 7, project 3, 2026-11    USD 0.000035062500001
  Dr 1201 Unbilled receivable, customer 7, project 3, 2026-12    USD 2.00
  Dr 1201 Unbilled receivable, customer 7, project 4, 2026-11    USD 1,234.50
  Cr 4101 Usage revenue, customer 7, project 3                   USD 2.000035062500001
  Cr 4101 Usage revenue, customer 7, project 4                   USD 1,234.50
)");
}

TEST(UsageFlow, NothingChargedIsNoEntry) {
    EXPECT_EQ(booked(usage_accrued({.batch_id = "b",
                                    .customer = kAcme,
                                    .currency = Currency::usd,
                                    .occurred_at = kNoon,
                                    .parts = {{ProjectId{3}, "2026-11", Femto{}}}})),
              "invalid_request: ledger entry of usage_batch b: it has 0 postings; 2 to 20000 are "
              "allowed");
}

TEST(CostFlow, ProviderCostStandsAgainstCharge) {
    EXPECT_EQ(booked(provider_cost_accrued({.batch_id = "1-20000/openai",
                                            .provider = "openai",
                                            .currency = Currency::usd,
                                            .occurred_at = kNoon,
                                            .parts = {{kAcme, ProjectId{3}, money("900.25")},
                                                      {CustomerId{}, ProjectId{}, money("1.5")}}})),
              R"(
provider_batch 1-20000/openai
  Dr 5101 Upstream cost, openai                                  USD 1.50
  Dr 5101 Upstream cost, customer 7, project 3, openai           USD 900.25
  Cr 2301 Upstream payable, openai                               USD 901.75
)");
    EXPECT_EQ(booked(provider_paid({.payment_id = "OUT-1",
                                    .provider = "openai",
                                    .bank_account = "CMB-USD",
                                    .currency = Currency::usd,
                                    .occurred_at = kNoon,
                                    .cents = 90'175})),
              R"(
provider_payment OUT-1
  Dr 2301 Upstream payable, openai                               USD 901.75
  Cr 1101 Bank, CMB-USD                                          USD 901.75
)");
}

TEST(BillFlow, UsdUsageBecomesCnyDebtAtTheLockedRate) {
    EXPECT_EQ(booked(bill_finalised(golden_bill())), R"(
bill BILL-acme-202611  usd_cny_e8=720000000  currency=CNY  usage_lines=1  usage_cents=8888889  net_cents=8888889  vat_ppm=60000  tax_cents=533333
  Cr 1201 Unbilled receivable, customer 7, project 3, 2026-11    USD 12,345.678901234
  Dr 1301 FX position USD                                        USD 12,345.678901234
  Cr 1302 FX position CNY                                        CNY 88,888.8880888848
  Dr 1202 Billed receivable, customer 7, BILL-acme-202611        CNY 94,222.22
  Cr 2201 Output VAT to be invoiced, customer 7                  CNY 5,333.33
  Cr 5203 Rounding                                               CNY 0.0019111152
)");
}

TEST(BillFlow, DiscountFeeShortfallAndSlaCreditAreLines) {
    BillFinalised bill{.bill_id = "BILL-acme-202612",
                       .customer = kAcme,
                       .currency = Currency::usd,
                       .occurred_at = kNoon,
                       .usage = {{ProjectId{3}, "2026-12", Currency::usd, money("1000.004")},
                                 {ProjectId{4}, "2026-12", Currency::usd, money("0.002")}},
                       .usage_lines = 2,
                       .usage_cents = 100'000,
                       .items = {{AccountCode::discount_volume, "", -15'000},
                                 {AccountCode::management_fees, "", 2'500},
                                 {AccountCode::commit_shortfall, "", 10'000},
                                 {AccountCode::sla_credits_owed, "SLA-acme-202611", -8'500}},
                       .vat_ppm = 60'000,
                       .tax_cents = 5'340};
    EXPECT_EQ(booked(bill_finalised(bill)), R"(
bill BILL-acme-202612  currency=USD  usage_lines=2  usage_cents=100000  net_cents=89000  vat_ppm=60000  tax_cents=5340
  Cr 1201 Unbilled receivable, customer 7, project 3, 2026-12    USD 1,000.004
  Cr 1201 Unbilled receivable, customer 7, project 4, 2026-12    USD 0.002
  Dr 4201 Discount, volume, customer 7                           USD 150.00
  Cr 4105 Management fees, customer 7                            USD 25.00
  Cr 4102 Commitment shortfall, customer 7                       USD 100.00
  Dr 2105 SLA credits owed, customer 7, SLA-acme-202611          USD 85.00
  Dr 1202 Billed receivable, customer 7, BILL-acme-202612        USD 943.40
  Cr 2201 Output VAT to be invoiced, customer 7                  USD 53.40
  Dr 5203 Rounding                                               USD 0.006
)");
}

TEST(BillFlow, BothUsageCurrenciesMeetInOneDocument) {
    BillFinalised bill = golden_bill();
    bill.usage = {{ProjectId{3}, "2026-11", Currency::usd, money("1.000000000000001")},
                  {ProjectId{3}, "2026-11", Currency::cny, money("10.5")}};
    bill.usage_lines = 2;
    bill.usage_cents = 1'770;
    bill.tax_cents = 106;
    EXPECT_EQ(booked(bill_finalised(bill)), R"(
bill BILL-acme-202611  usd_cny_e8=720000000  currency=CNY  usage_lines=2  usage_cents=1770  net_cents=1770  vat_ppm=60000  tax_cents=106
  Cr 1201 Unbilled receivable, customer 7, project 3, 2026-11    USD 1.000000000000001
  Cr 1201 Unbilled receivable, customer 7, project 3, 2026-11    CNY 10.50
  Dr 1301 FX position USD                                        USD 1.000000000000001
  Cr 1302 FX position CNY                                        CNY 7.200000000000007
  Dr 1202 Billed receivable, customer 7, BILL-acme-202611        CNY 18.76
  Cr 2201 Output VAT to be invoiced, customer 7                  CNY 1.06
  Dr 5203 Rounding                                               CNY 0.000000000000007
)");
}

TEST(BillFlow, RefusesWhatCannotBeTheBill) {
    BillFinalised bill = golden_bill();
    bill.usage_cents += 1;
    EXPECT_EQ(booked(bill_finalised(bill)),
              "invalid_request: ledger entry of bill BILL-acme-202611: the usage lines add up to "
              "88888.90, but exactly to 88888.8880888848: more than half a cent for each of 1 "
              "lines");
    bill = golden_bill();
    bill.tax_cents -= 1;
    EXPECT_EQ(booked(bill_finalised(bill)),
              "invalid_request: ledger entry of bill BILL-acme-202611: the bill's tax is 5333.32, "
              "but 60000 ppm of 88888.89 are 5333.33");
    bill = golden_bill();
    bill.usd_cny_e8 = 0;
    EXPECT_EQ(booked(bill_finalised(bill)),
              "invalid_request: ledger entry of bill BILL-acme-202611: usage in USD needs an "
              "exchange rate; usd_cny_e8 is 0");
    bill = golden_bill();
    bill.items = {{AccountCode::discount_promotion, "", -9'000'000}};
    bill.tax_cents = -6'667;
    EXPECT_EQ(booked(bill_finalised(bill)),
              "invalid_request: ledger entry of bill BILL-acme-202611: the bill's net amount in "
              "cents is -111111, below zero");
}

TEST(NoteFlow, CreditNoteLowersDebtIncomeAndTax) {
    const Note note{.note_id = "CN-1",
                    .bill_id = "BILL-acme-202611",
                    .customer = kAcme,
                    .currency = Currency::cny,
                    .occurred_at = kNoon,
                    .net_cents = 100'00,
                    .tax_cents = 6'00};
    EXPECT_EQ(booked(credit_note(note)), R"(
credit_note CN-1  bill=BILL-acme-202611
  Dr 4101 Usage revenue, customer 7                              CNY 100.00
  Dr 2201 Output VAT to be invoiced, customer 7                  CNY 6.00
  Cr 1202 Billed receivable, customer 7, BILL-acme-202611        CNY 106.00
)");
    Note paid = note;
    paid.refund_cents = 56'00;
    paid.is_tax_invoiced = true;
    EXPECT_EQ(booked(credit_note(paid)), R"(
credit_note CN-1  bill=BILL-acme-202611
  Dr 4101 Usage revenue, customer 7                              CNY 100.00
  Dr 2202 Output VAT invoiced, customer 7                        CNY 6.00
  Cr 1202 Billed receivable, customer 7, BILL-acme-202611        CNY 50.00
  Cr 2106 Refund payable, customer 7, CN-1                       CNY 56.00
)");
    EXPECT_EQ(booked(debit_note(note)), R"(
debit_note CN-1  bill=BILL-acme-202611
  Cr 4101 Usage revenue, customer 7                              CNY 100.00
  Cr 2201 Output VAT to be invoiced, customer 7                  CNY 6.00
  Dr 1202 Billed receivable, customer 7, BILL-acme-202611        CNY 106.00
)");
    EXPECT_FALSE(debit_note(paid).ok()) << "a debit note pays nothing back";
}

// Facts §3c: notes of 68.33, 68.33, 57.50 and 85.00 at 20 % are 55.83 of tax together, not 55.84.
TEST(NoteFlow, TaxOfNotesAddsUpToTheBillsByTheCumulativeMethod) {
    std::int64_t before = 0, sum = 0;
    std::vector<std::int64_t> taxes;
    for (const std::int64_t net : {68'33, 68'33, 57'50, 85'00}) {
        taxes.push_back(note_tax_cents(before, net, 200'000));
        before += net;
        sum += taxes.back();
    }
    EXPECT_EQ(taxes, (std::vector<std::int64_t>{13'67, 13'66, 11'50, 17'00}));
    EXPECT_EQ(sum, 55'83);
}

TEST(InvoiceFlow, TaxMovesWhenInvoicedAndBackWhenRed) {
    InvoiceIssued invoice{.invoice_id = "INV-20261201-1",
                          .customer = kAcme,
                          .currency = Currency::cny,
                          .occurred_at = kNoon,
                          .tax_cents = 5'333'33};
    EXPECT_EQ(booked(invoice_issued(invoice)), R"(
invoice INV-20261201-1  colour=blue
  Dr 2201 Output VAT to be invoiced, customer 7                  CNY 5,333.33
  Cr 2202 Output VAT invoiced, customer 7                        CNY 5,333.33
)");
    invoice.colour = InvoiceIssued::Colour::red;
    EXPECT_EQ(booked(invoice_issued(invoice)), R"(
invoice INV-20261201-1  colour=red
  Cr 2201 Output VAT to be invoiced, customer 7                  CNY 5,333.33
  Dr 2202 Output VAT invoiced, customer 7                        CNY 5,333.33
)");
}

TEST(CashFlow, PaymentWaitsInSuspenseUntilItIsAllocated) {
    EXPECT_EQ(booked(receipt("PAY-1", 95'000'00)), R"(
payment PAY-1
  Dr 1101 Bank, ICBC-0001                                        CNY 95,000.00
  Cr 1102 Receipts in suspense, PAY-1                            CNY 95,000.00
)");
    EXPECT_EQ(booked(payment_allocated({.allocation_id = "ALLOC-1",
                                        .payment_id = "PAY-1",
                                        .customer = kAcme,
                                        .currency = Currency::cny,
                                        .occurred_at = kNoon,
                                        .parts = {{"BILL-acme-202610", 500'00, Debt::overdue},
                                                  {"BILL-acme-202611", 94'222'22, Debt::billed}},
                                        .overpaid_cents = 300'78,
                                        .bank_fee_cents = 23'00})),
              R"(
allocation ALLOC-1
  Dr 1102 Receipts in suspense, PAY-1                            CNY 95,000.00
  Dr 5201 Bank fees                                              CNY 23.00
  Cr 1203 Overdue receivable, customer 7, BILL-acme-202610       CNY 500.00
  Cr 1202 Billed receivable, customer 7, BILL-acme-202611        CNY 94,222.22
  Cr 2101 Customer wallet, paid, customer 7                      CNY 300.78
)");
}

TEST(CashFlow, RefundIsApprovedThenPaid) {
    EXPECT_EQ(booked(refund_approved({.refund_id = "REF-1",
                                      .from = RefundApproved::From::wallet,
                                      .customer = kAcme,
                                      .currency = Currency::cny,
                                      .occurred_at = kNoon,
                                      .cents = 300'78})),
              R"(
refund REF-1
  Dr 2101 Customer wallet, paid, customer 7                      CNY 300.78
  Cr 2106 Refund payable, customer 7, REF-1                      CNY 300.78
)");
    EXPECT_EQ(booked(refund_approved({.refund_id = "REF-2",
                                      .from = RefundApproved::From::suspense,
                                      .payment_id = "PAY-9",
                                      .currency = Currency::cny,
                                      .occurred_at = kNoon,
                                      .cents = 12'00})),
              R"(
refund REF-2
  Dr 1102 Receipts in suspense, PAY-9                            CNY 12.00
  Cr 2106 Refund payable, REF-2                                  CNY 12.00
)");
    EXPECT_EQ(booked(refund_paid({.payment_id = "OUT-2",
                                  .refund_id = "REF-1",
                                  .bank_account = "ICBC-0001",
                                  .customer = kAcme,
                                  .currency = Currency::cny,
                                  .occurred_at = kNoon,
                                  .cents = 300'78})),
              R"(
refund_payment OUT-2
  Dr 2106 Refund payable, customer 7, REF-1                      CNY 300.78
  Cr 1101 Bank, ICBC-0001                                        CNY 300.78
)");
}

TEST(AdvanceFlow, DepositWalletAndCommitmentComeFromAPayment) {
    const Advance advance{.id = "ADV-1",
                          .payment_id = "PAY-2",
                          .contract_id = "CON-1",
                          .customer = kAcme,
                          .currency = Currency::cny,
                          .occurred_at = kNoon,
                          .cents = 50'000'00};
    EXPECT_EQ(booked(deposit_received(advance)), R"(
deposit ADV-1
  Dr 1102 Receipts in suspense, PAY-2                            CNY 50,000.00
  Cr 2103 Customer deposit, customer 7                           CNY 50,000.00
)");
    EXPECT_EQ(booked(wallet_topped_up(advance)), R"(
wallet ADV-1
  Dr 1102 Receipts in suspense, PAY-2                            CNY 50,000.00
  Cr 2101 Customer wallet, paid, customer 7                      CNY 50,000.00
)");
    EXPECT_EQ(booked(commit_received(advance)), R"(
commit ADV-1
  Dr 1102 Receipts in suspense, PAY-2                            CNY 50,000.00
  Cr 2104 Deferred commitment, customer 7, CON-1                 CNY 50,000.00
)");
    const BillPaidFrom payment{.id = "DRAW-1",
                               .bill_id = "BILL-acme-202611",
                               .contract_id = "CON-1",
                               .customer = kAcme,
                               .currency = Currency::cny,
                               .occurred_at = kNoon,
                               .cents = 94'222'22};
    EXPECT_EQ(booked(deposit_drawn(payment)), R"(
deposit DRAW-1
  Dr 2103 Customer deposit, customer 7                           CNY 94,222.22
  Cr 1202 Billed receivable, customer 7, BILL-acme-202611        CNY 94,222.22
)");
    EXPECT_EQ(booked(commit_drawn(payment)), R"(
commit DRAW-1
  Dr 2104 Deferred commitment, customer 7, CON-1                 CNY 94,222.22
  Cr 1202 Billed receivable, customer 7, BILL-acme-202611        CNY 94,222.22
)");
}

TEST(WalletFlow, PromotionIsDrawnBeforeWhatWasPaid) {
    EXPECT_EQ(booked(wallet_granted({.grant_id = "GRANT-1",
                                     .customer = kAcme,
                                     .currency = Currency::usd,
                                     .occurred_at = kNoon,
                                     .amount = money("100")})),
              R"(
wallet GRANT-1
  Dr 4205 Discount, promotion, customer 7                        USD 100.00
  Cr 2102 Customer wallet, promotional, customer 7, GRANT-1      USD 100.00
)");
    EXPECT_EQ(booked(wallet_drawn({.id = "1-20000/7/draw",
                                   .customer = kAcme,
                                   .currency = Currency::usd,
                                   .occurred_at = kNoon,
                                   .grants = {{"GRANT-1", money("100")}},
                                   .paid = money("0.000035062500001"),
                                   .month = "2026-11",
                                   .project = ProjectId{3}})),
              R"(
wallet 1-20000/7/draw
  Dr 2102 Customer wallet, promotional, customer 7, GRANT-1      USD 100.00
  Dr 2101 Customer wallet, paid, customer 7                      USD 0.000035062500001
  Cr 1201 Unbilled receivable, customer 7, project 3, 2026-11    USD 100.000035062500001
)");
    EXPECT_EQ(booked(wallet_drawn({.id = "DRAW-2",
                                   .customer = kAcme,
                                   .currency = Currency::cny,
                                   .occurred_at = kNoon,
                                   .grants = {},
                                   .paid = money("94222.22"),
                                   .bill_id = "BILL-acme-202611"})),
              R"(
wallet DRAW-2
  Dr 2101 Customer wallet, paid, customer 7                      CNY 94,222.22
  Cr 1202 Billed receivable, customer 7, BILL-acme-202611        CNY 94,222.22
)");
    EXPECT_EQ(booked(wallet_expired({.id = "EXP-1",
                                     .customer = kAcme,
                                     .currency = Currency::usd,
                                     .occurred_at = kNoon,
                                     .amount = money("1.5")})),
              R"(
wallet EXP-1
  Dr 2101 Customer wallet, paid, customer 7                      USD 1.50
  Cr 4103 Breakage, customer 7                                   USD 1.50
)");
}

TEST(DebtFlow, OverdueProvisionLateFeeAndWriteOff) {
    const DebtMoved debt{.id = "OD-1",
                         .bill_id = "BILL-acme-202611",
                         .customer = kAcme,
                         .currency = Currency::cny,
                         .occurred_at = kNoon,
                         .cents = 94'222'22};
    EXPECT_EQ(booked(bill_overdue(debt)), R"(
overdue OD-1
  Dr 1203 Overdue receivable, customer 7, BILL-acme-202611       CNY 94,222.22
  Cr 1202 Billed receivable, customer 7, BILL-acme-202611        CNY 94,222.22
)");
    EXPECT_EQ(booked(bad_debt_provided(debt)), R"(
provision OD-1
  Dr 5204 Bad debt, customer 7                                   CNY 94,222.22
  Cr 1209 Bad-debt provision, customer 7, BILL-acme-202611       CNY 94,222.22
)");
    // 0.05 % a day for 15 days of 94,222.22 is 706.67 (706.66665).
    EXPECT_EQ(booked(late_fee_charged({.fee_id = "FEE-1",
                                       .bill_id = "BILL-acme-202611",
                                       .customer = kAcme,
                                       .currency = Currency::cny,
                                       .occurred_at = kNoon,
                                       .net_cents = 706'67,
                                       .tax_cents = 42'40})),
              R"(
late_fee FEE-1
  Dr 1203 Overdue receivable, customer 7, BILL-acme-202611       CNY 749.07
  Cr 4104 Late fees, customer 7                                  CNY 706.67
  Cr 2201 Output VAT to be invoiced, customer 7                  CNY 42.40
)");
    EXPECT_EQ(booked(written_off({.id = "WO-1",
                                  .bill_id = "BILL-acme-202611",
                                  .customer = kAcme,
                                  .currency = Currency::cny,
                                  .occurred_at = kNoon,
                                  .cents = 94'971'29,
                                  .provision_cents = 94'222'22})),
              R"(
write_off WO-1
  Dr 1209 Bad-debt provision, customer 7, BILL-acme-202611       CNY 94,222.22
  Dr 5204 Bad debt, customer 7                                   CNY 749.07
  Cr 1203 Overdue receivable, customer 7, BILL-acme-202611       CNY 94,971.29
)");
}

TEST(SlaFlow, CreditIsOwedUntilABillTakesIt) {
    EXPECT_EQ(booked(sla_credit_granted({.credit_id = "SLA-acme-202611",
                                         .customer = kAcme,
                                         .currency = Currency::cny,
                                         .occurred_at = kNoon,
                                         .cents = 8'888'89})),
              R"(
sla_credit SLA-acme-202611
  Dr 4301 SLA credits granted, customer 7                        CNY 8,888.89
  Cr 2105 SLA credits owed, customer 7, SLA-acme-202611          CNY 8,888.89
)");
}

TEST(AdjustmentFlow, NeedsAReasonAndBalance) {
    Adjustment adjustment{
        .id = "ADJ-1",
        .reason = "汇率重估, month end",
        .occurred_at = kNoon,
        .postings = {{{AccountCode::fx_gain_loss, Currency::cny}, money("12.3456")},
                     {{AccountCode::fx_position_cny, Currency::cny}, money("-12.3456")}}};
    EXPECT_EQ(booked(adjusted(adjustment)), R"(
adjustment ADJ-1  reason=汇率重估, month end
  Dr 5202 FX gain or loss                                        CNY 12.3456
  Cr 1302 FX position CNY                                        CNY 12.3456
)");
    Adjustment bad = adjustment;
    bad.reason.clear();
    EXPECT_EQ(booked(adjusted(bad)),
              "invalid_request: ledger entry of adjustment ADJ-1: an adjustment needs a reason");
    bad = adjustment;
    bad.postings[0].amount.value += 1;
    EXPECT_EQ(booked(adjusted(bad)),
              "invalid_request: ledger entry of adjustment ADJ-1: debits and credits differ: CNY "
              "by 0.000000000000001");
}

TEST(EntryRules, NameWhatIsWrongWithAPosting) {
    const auto fault = [](AccountKey account, std::string_view amount) {
        return fault_of({std::move(account), money(amount)});
    };
    const auto usd = Currency::usd, cny = Currency::cny;
    EXPECT_EQ(fault({static_cast<AccountCode>(1999), usd}, "1"), "is not in the chart of accounts");
    EXPECT_EQ(fault({AccountCode::fx_position_usd, cny}, "1"), "holds USD only");
    EXPECT_EQ(fault({AccountCode::rounding, usd, kAcme}, "1"),
              "is of our own books and takes no customer");
    EXPECT_EQ(fault({AccountCode::wallet_paid, usd}, "1"), "needs a customer");
    EXPECT_EQ(fault({AccountCode::wallet_paid, usd, kAcme, ProjectId{1}}, "1"), "takes no project");
    EXPECT_EQ(fault({AccountCode::wallet_paid, usd, kAcme, ProjectId{}, "x"}, "1"),
              "takes no subject");
    EXPECT_EQ(fault({AccountCode::billed_receivable, usd, kAcme}, "1"), "needs a bill");
    EXPECT_EQ(fault({AccountCode::unbilled_receivable, usd, kAcme, ProjectId{}, "2026-13"}, "1"),
              "has a subject that is no month such as 2026-11");
    EXPECT_EQ(fault({AccountCode::deposit, cny, kAcme}, "0.001"),
              "has an amount of 0.001, but holds whole cents (fen) only");
    EXPECT_EQ(fault({AccountCode::deposit, cny, kAcme}, "0"), "has an amount of zero");
    EXPECT_EQ(fault({AccountCode::deposit, cny, kAcme}, "1000000000000"),
              "has an amount of 1000000000000.00, which is a million million or more");
    EXPECT_EQ(fault({AccountCode::deposit, cny, kAcme}, "-999999999999.99"), "");
}

TEST(Chart, HasEveryAccountOnceAndFindsItByNameAndNumber) {
    std::set<std::string_view> names;
    for (const AccountInfo& each : chart_of_accounts()) {
        EXPECT_TRUE(names.insert(each.name).second) << each.name;
        EXPECT_EQ(find_account(each.name), &each);
        EXPECT_EQ(find_account(std::to_string(number(each.code))), &each);
        EXPECT_EQ(find_account(number(each.code)), &each);
    }
    EXPECT_EQ(find_account("no_such_account"), nullptr);
    EXPECT_EQ(find_account(std::int64_t{1'202 + 65'536}), nullptr);
}

}  // namespace
}  // namespace tg
