// Bills worked out twice: the scripts of tests/bills and others made up at random are recomputed by sim/bill_oracle.mjs, and the
// random ones run through the product.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { recompute } from '../../sim/bill_oracle.mjs';

const BILLS = 'tests/bills';

test('the oracle agrees with every figure of the bill scripts', () => {
  const files = readdirSync(BILLS).filter((file) => file.endsWith('.bill'));
  assert.ok(files.length >= 20);
  for (const file of files) {
    const script = readFileSync(join(BILLS, file), 'utf8');
    assert.equal(recompute(script), script, file);
  }
});

test('the oracle tells when a figure is wrong', () => {
  const script = readFileSync(join(BILLS, 'locked_rate_and_vat.bill'), 'utf8');
  const wrong = script.replace('+ 5,333.33', '+ 5,333.34');
  assert.notEqual(wrong, script);
  assert.equal(recompute(wrong), script);
});

/** xorshift32: the same scripts every time, and others by another seed. */
const random = (seed) => {
  let state = seed;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  const below = (n) => next() % n;
  return { below, of: (list) => list[below(list.length)], chance: (percent) => below(100) < percent };
};

const MODELS = ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet', 'qwen-max', 'deepseek-chat'];
const PROJECTS = ['chat', 'search', 'ops', 'lab'];

const randomTerms = (r) => {
  const percent = () => `${r.below(40)}.${r.below(10000).toString().padStart(4, '0')}`;
  const price = () => `${r.below(9)}.${r.below(1_000_000_000).toString().padStart(9, '0')}`;
  const steps = (count, make) => Array.from({ length: count }, (_, i) => make(i));
  const terms = {};
  if (r.chance(70)) {
    terms.rate_card = steps(1 + r.below(4), () => {
      const kind = r.of(['discount', 'fixed', 'graduated', 'volume', 'package']);
      const rule = { kind, models: r.of(['*', 'gpt-*', 'gpt-4o', '*a*', 'qwen-max']) };
      if (kind === 'discount') return { ...rule, percent: percent() };
      rule.meter = r.of(['input', 'output']);
      rule.currency = r.of(['USD', 'CNY']);
      if (kind === 'fixed') return { ...rule, price: price() };
      if (kind === 'package') return { ...rule, package_units: 1 + r.below(100_000_000), package_price: price() };
      let up_to = 0;
      rule.steps = steps(r.below(3), () => ({ up_to: (up_to += 1 + r.below(200_000_000)), price: price() }));
      rule.steps.push({ price: price() });
      return rule;
    });
  }
  if (r.chance(40)) terms.reserved_capacity = steps(1 + r.below(2), () => ({ models: r.of(['*', 'gpt-*', 'qwen*']), percent: percent() }));
  if (r.chance(60)) {
    terms.commitment = { period: r.of(['month', 'year']), amount: `${r.below(5000)}.${r.below(100).toString().padStart(2, '0')}`,
      currency: r.of(['USD', 'CNY']) };
  }
  if (r.chance(60)) {
    const basis = terms.commitment && r.chance(50) ? 'commitment' : 'month';
    const currency = basis === 'commitment' ? terms.commitment.currency : r.of(['USD', 'CNY']);
    let from = -1;
    terms.volume_discount = { basis, currency, steps: steps(1 + r.below(3), () => ({ from: `${(from += 1 + r.below(1500))}`, percent: percent() })) };
  }
  if (r.chance(50)) {
    let models = 1;
    terms.mixed_model_discount = { share_min_percent: `${r.below(20)}`,
      steps: steps(1 + r.below(3), () => ({ models: (models += 1), percent: percent() })) };
  }
  if (r.chance(40)) terms.transfer_discount_percent = percent();
  if (r.chance(40)) terms.promotion = { percent: percent(), ...(r.chance(50) ? { through: r.of(['2026-02', '2026-03']) } : {}) };
  if (r.chance(40)) {
    terms.management_fee = { percent: percent(), month: `${r.below(900)}.${r.below(100).toString().padStart(2, '0')}`,
      currency: r.of(['USD', 'CNY']) };
  }
  if (r.chance(30)) terms.termination_percent = percent();
  if (r.chance(20)) terms.usd_cny_rate = `7.${r.below(100_000_000).toString().padStart(8, '0')}`;
  return terms;
};

/** An amendment keeps period and currency of a commitment, so that its periods stay what they are. */
const amended = (r, before) => {
  const terms = randomTerms(r);
  if (before.commitment && terms.commitment) {
    terms.commitment = { ...before.commitment, amount: terms.commitment.amount };
    if (terms.volume_discount?.basis === 'commitment') terms.volume_discount.currency = before.commitment.currency;
  }
  return terms;
};

const randomScript = (seed) => {
  const r = random(seed);
  const out = [`# made up, seed ${seed}`, `zone ${r.of(['Asia/Shanghai', 'America/Los_Angeles', 'Europe/Berlin', 'Asia/Kolkata'])}`,
    `rate 7.${r.below(100_000_000).toString().padStart(8, '0')}`, `vat ${r.of(['6', '13', '0', '1.5'])}`];
  for (const model of MODELS) {
    const currency = model === 'qwen-max' || model === 'deepseek-chat' ? 'CNY' : 'USD';
    for (const meter of ['input', 'output']) out.push(`price ${model} ${meter} ${r.below(20)}.${r.below(1_000_000_000).toString().padStart(9, '0')} ${currency}`);
  }
  const kind = r.of(['none', 'one_year', 'three_years']);
  const first = r.of(['2026-01-01', '2026-02-11', '2026-03-01', '2025-03-15', '2025-04-01']);
  const terms = randomTerms(r);
  out.push(`contract CT-1 ${kind} from ${first}`, JSON.stringify(terms), 'end');
  const ends = { '2025-03-15': '2026-03-14', '2025-04-01': '2026-03-31' };
  const last = (kind === 'one_year' && ends[first]) || '2026-12-31';
  const covered = (days) => days.filter((day) => day >= first && day < last);
  if (r.chance(50)) {
    const day = r.of(covered(['2026-03-10', '2026-03-01', '2026-03-11', '2026-03-31', '2026-02-20']));
    out.push(`amend CT-1 from ${day}`, JSON.stringify(amended(r, terms)), 'end');
  }
  if (r.chance(15) && kind !== 'three_years') out.push(`stop CT-1 after ${r.of(covered(['2026-03-11', '2026-03-12', '2026-03-20', '2026-03-31']))}`);
  const usage = (months, count) => {
    for (let i = 0; i < count; i += 1) {
      const day = 2 + r.below(27); // the first may be in the month before
      const time = `${r.of(months)}-${String(day).padStart(2, '0')}T${String(r.below(24)).padStart(2, '0')}:00:00Z`;
      out.push(`usage ${time} ${r.of(PROJECTS)} ${r.of(MODELS)} ${r.of(['input', 'output'])} ${1 + r.of([r.below(50), r.below(2_000_000), r.below(300_000_000)])}`);
    }
  };
  usage(['2026-02', '2026-03'], 2 + r.below(25));
  out.push('bill 2026-02');
  // There is something to make final in every month, and something late in most.
  usage(['2026-02'], 1);
  out.push('final 2026-02');
  usage(['2026-02', '2026-03'], 1 + r.below(4));
  if (r.chance(40)) {
    // Together above 0, so that the bill can become final whatever else is on it.
    out.push(`sla_credit 2026-03 ${r.of(['*', 'chat'])} -${r.below(20)}.${r.below(10)}9 CNY`);
    out.push(`adjust 2026-03 ${r.of(['*', 'chat'])} -${r.below(20)}.${r.below(10)}9 CNY`);
    out.push(`adjust 2026-03 * ${40 + r.below(400)}.${r.below(10)}3 ${r.of(['USD', 'CNY'])}`);
  }
  out.push('bill 2026-03');
  usage(['2026-03'], 1);
  out.push('final 2026-03');
  usage(['2026-03', '2026-04'], r.below(4));
  out.push('bill 2026-04', '');
  return out.join('\n');
};

test('bills of made-up contracts are what the oracle says', { timeout: 280_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'bills-'));
  try {
    const count = Number(process.env.TG_RANDOM_BILLS ?? 60);
    const first = Number(process.env.TG_RANDOM_SEED ?? 1);
    for (let seed = first; seed < first + count; seed += 1) {
      const script = recompute(randomScript(seed * 2_654_435 + 1));
      writeFileSync(join(directory, `seed_${seed}.bill`), script);
    }
    const run = spawnSync(`${process.env.TOLLGATE_BUILD}/src/billing/billing_test`, ['--gtest_filter=*BillScript*', '--gtest_brief=1'],
      { env: { ...process.env, TG_BILL_SCRIPTS: directory }, encoding: 'utf8', maxBuffer: 1 << 26 });
    assert.equal(run.status, 0, run.stdout.slice(0, 6000) + run.stderr.slice(0, 2000));
    assert.match(run.stdout, new RegExp(`\\[  PASSED  \\] ${count} tests`));
  } finally {
    rmSync(directory, { recursive: true });
  }
});
