// What a bill must be, worked out from the rules of docs/formats.md by other means than the product's: the scripts of tests/bills
// are read and every figure is computed again with integers of any size. Shares no code with src/.
import { readFileSync } from 'node:fs';

const FEMTO = 10n ** 15n;
const CENT = FEMTO / 100n;

const abs = (n) => (n < 0n ? -n : n);
/** n / d to the nearest integer, halves away from zero. */
const round = (n, d) => {
  const q = (2n * abs(n) + d) / (2n * d);
  return n < 0n ? -q : q;
};
/** A decimal text times 10^scale. */
export const scaled = (text, scale) => {
  const [, sign, whole, part = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(text).replaceAll(',', ''));
  if (part.length > scale) throw new Error(`${text} has more than ${scale} decimals`);
  const value = BigInt(whole + part.padEnd(scale, '0'));
  return sign ? -value : value;
};
const grouped = (text) => text.replace(/^(-?)(\d+)/, (_, s, d) => s + d.replace(/\B(?=(\d{3})+$)/g, ','));
const decimal = (value, scale, min) => {
  const digits = abs(value).toString().padStart(scale + 1, '0');
  let part = digits.slice(-scale).replace(/0+$/, '');
  part = part.padEnd(min, '0');
  return (value < 0n ? '-' : '') + digits.slice(0, -scale) + (part ? `.${part}` : '');
};
const cents = (value) => grouped(decimal(value, 2, 2));
const percent = (text) => scaled(text ?? '0', 4); // parts per million

const DAY_MS = 86_400_000;
const dayNumber = (text) => Math.round(Date.parse(`${text}T00:00:00Z`) / DAY_MS);
const dayText = (day) => new Date(day * DAY_MS).toISOString().slice(0, 10);
const monthOf = (day) => dayText(day).slice(0, 7);
const monthDays = (month) => {
  const [y, m] = month.split('-').map(Number);
  const first = Math.round(Date.UTC(y, m - 1, 1) / DAY_MS);
  return { first, last: Math.round(Date.UTC(y, m, 1) / DAY_MS) - 1 };
};
const yearsLater = (day, years) => {
  const date = new Date(day * DAY_MS);
  return Math.round(Date.UTC(date.getUTCFullYear() + years, date.getUTCMonth(), date.getUTCDate()) / DAY_MS);
};
/** The day of an instant in a zone, by the zone data of the JavaScript engine. */
const localDay = (time, zone) =>
  dayNumber(new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short' }).format(new Date(time)));

// Names in the order of their numbers, which is the order of lines on a bill.
const METERS = ['input', 'cache_read', 'cache_write', 'cache_write_long', 'input_audio', 'input_audio_cached', 'input_image',
  'input_image_cached', 'output', 'reasoning', 'output_audio', 'output_image', 'training', 'request'];
const PER_MILLION = 1_000_000n;

/** Splits an amount by weights: first the whole parts, then one more to those with the largest rest. */
const split = (whole, weights) => {
  const sum = weights.reduce((a, b) => a + b, 0n);
  const sign = whole < 0n ? -1n : 1n;
  const parts = weights.map((w) => (abs(whole) * w) / sum);
  const rests = weights.map((w, i) => [(abs(whole) * w) % sum, i]);
  rests.sort((a, b) => (a[0] === b[0] ? a[1] - b[1] : a[0] > b[0] ? -1 : 1));
  let left = abs(whole) - parts.reduce((a, b) => a + b, 0n);
  for (const [, i] of rests) {
    if (left-- <= 0n) break;
    parts[i] += 1n;
  }
  return parts.map((p) => p * sign);
};

const matchesName = (pattern, name) =>
  new RegExp(`^${(pattern ?? '*').split('*').map((p) => p.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's').test(name);

class Customer {
  constructor() {
    this.zone = 'Asia/Shanghai';
    this.rate = scaled('7.2', 8);
    this.vat = percent('6');
    this.prices = new Map();
    this.calls = []; // { day, project, model, meter, quantity, price, currency, bill }
    this.contracts = [];
    this.adjustments = []; // { kind, month, project, amount, currency }; the project '*' is the whole customer
    this.finals = new Map(); // month -> what counts towards commitments, by contract and first day
  }

  // --- contracts ---------------------------------------------------------------------------------

  contractOn(day) {
    return this.contracts.find((c) => day >= c.first && day <= c.end);
  }
  termsOn(contract, day) {
    return contract.versions.filter((v) => v.from <= day || v === contract.versions[0]).at(-1);
  }
  wholePeriod(contract, commitment, day) {
    if (commitment.period === 'month') return monthDays(monthOf(day));
    let n = 0;
    while (yearsLater(contract.first, n + 1) <= day) n += 1;
    return { first: yearsLater(contract.first, n), last: yearsLater(contract.first, n + 1) - 1 };
  }
  committed(contract, whole, first, last) {
    let centDays = 0n;
    for (let day = first; day <= last; day += 1) {
      const commitment = this.termsOn(contract, day).terms.commitment;
      if (commitment) centDays += scaled(commitment.amount, 2);
    }
    return round(centDays, BigInt(whole.last - whole.first + 1));
  }
  period(contract, terms, day) {
    if (!terms.commitment) return null;
    const whole = this.wholePeriod(contract, terms.commitment, day);
    const first = Math.max(whole.first, contract.first);
    const last = Math.min(whole.last, contract.end);
    return { contract, first, last, currency: terms.commitment.currency ?? 'USD',
      committed: this.committed(contract, whole, first, last) };
  }
  segments(month) {
    const { first, last } = monthDays(month);
    const out = [];
    for (let day = first; day <= last; day += 1) {
      const contract = this.contractOn(day);
      const version = contract && this.termsOn(contract, day);
      const period = contract && this.period(contract, version.terms, day);
      const before = out.at(-1);
      if (before && before.version === version && before.period?.first === period?.first) before.last = day;
      else out.push({ first: day, last: day, contract, version, terms: version?.terms, period });
    }
    return out;
  }

  // --- bills -------------------------------------------------------------------------------------

  convert(femto, from, to) {
    if (from === to) return femto;
    return from === 'USD' ? round(femto * this.billRate, 10n ** 8n) : round(femto * 10n ** 8n, this.billRate);
  }
  rounded(femto, currency) {
    return currency === 'USD'
      ? { usd: round(femto, CENT), cny: round(femto * this.billRate, CENT * 10n ** 8n) }
      : { usd: round(femto * 10n ** 8n, CENT * this.billRate), cny: round(femto, CENT) };
  }
  /** Lines at list price, in the order of a bill. */
  lines(calls) {
    const lines = new Map();
    for (const call of calls) {
      const key = JSON.stringify([call.late ?? '', call.project, call.model, String(METERS.indexOf(call.meter)).padStart(3, '0'),
        call.currency === 'USD' ? 0 : 1, call.price.toString().padStart(30, '0')]);
      const line = lines.get(key) ?? { ...call, quantity: 0n };
      line.quantity += call.quantity;
      lines.set(key, line);
    }
    return [...lines.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => {
      const exact = line.quantity * line.price;
      return { ...line, exact, ...this.rounded(exact, line.currency) };
    });
  }

  bill(month) {
    const segments = this.segments(month);
    const lastTerms = segments.at(-1).terms;
    this.billRate = lastTerms?.usd_cny_rate ? scaled(lastTerms.usd_cny_rate, 8) : this.rate;
    const own = this.calls.filter((c) => monthOf(c.day) === month);
    const late = this.calls.filter((c) => monthOf(c.day) < month && this.finals.has(monthOf(c.day)) && !c.billed)
      .map((c) => ({ ...c, late: monthOf(c.day) }));
    const sheet = { lines: this.lines(own), late: this.lines(late), items: [], commitments: [], net: new Map(), spent: [] };
    for (const line of [...sheet.lines, ...sheet.late]) this.addNet(sheet, line.project, line.usd, line.cny);
    if (segments.some((s) => s.contract)) this.applyContract(month, segments, own, sheet);
    this.added(month, sheet);
    return sheet;
  }
  addNet(sheet, project, usd, cny) {
    const net = sheet.net.get(project) ?? { usd: 0n, cny: 0n };
    sheet.net.set(project, { usd: net.usd + usd, cny: net.cny + cny });
  }
  addItem(sheet, kind, project, exact, currency) {
    if (exact === 0n) return;
    const net = sheet.net.get(project) ?? { usd: 0n, cny: 0n };
    let { usd, cny } = this.rounded(exact, currency);
    const floor = (value, has) => (exact < 0n && value < -(has > 0n ? has : 0n) ? -(has > 0n ? has : 0n) : value);
    usd = floor(usd, net.usd);
    cny = floor(cny, net.cny);
    this.addNet(sheet, project, usd, cny);
    sheet.items.push({ kind, project, usd, cny });
  }

  applyContract(month, segments, own, sheet) {
    // Every line of every segment, with what it costs by now. Late usage counts to the last segment.
    const parts = segments.flatMap((segment, at) =>
      [...this.lines(own.filter((c) => c.day >= segment.first && c.day <= segment.last)),
        ...(at === segments.length - 1 ? sheet.late : [])].map((line) => ({ ...line, at, now: line.exact })));
    this.rateCards(segments, parts, sheet);
    this.reserved(segments, parts, sheet);
    const sums = segments.map(() => new Map()); // project -> { USD, CNY }
    for (const part of parts) {
      const of = sums[part.at].get(part.project) ?? { USD: 0n, CNY: 0n };
      of[part.currency] += part.now;
      sums[part.at].set(part.project, of);
    }
    this.discounts(month, segments, parts, sums, sheet);
    this.fees(month, segments, sums, sheet);
    this.commitments(month, segments, sums, sheet);
  }

  ruleMatches(rule, line) {
    if (rule.meter && rule.meter !== line.meter) return false;
    if (rule.kind !== 'discount' && (rule.currency ?? 'USD') !== line.currency) return false;
    return matchesName(rule.models, line.model);
  }
  /** What the first n units cost at graduated prices or in packages. */
  costOf(rule, n) {
    if (rule.kind === 'package') {
      const packages = (n + BigInt(rule.package_units) - 1n) / BigInt(rule.package_units);
      return packages * scaled(rule.package_price, 15);
    }
    let cost = 0n;
    let from = 0n;
    for (const step of rule.steps) {
      const to = step.up_to && BigInt(step.up_to) < n ? BigInt(step.up_to) : n;
      if (to > from) cost += (to - from) * this.unitPrice(rule.meter, step.price);
      from = to > from ? to : from;
    }
    return cost;
  }
  unitPrice(meter, text) {
    return scaled(text, 15) / (meter === 'request' ? 1n : PER_MILLION);
  }
  rateCards(segments, parts, sheet) {
    for (const part of parts)
      part.rule = (segments[part.at].terms?.rate_card ?? []).find((rule) => this.ruleMatches(rule, part));
    segments.forEach((segment, at) => {
      for (const rule of segment.terms?.rate_card ?? []) {
        const mine = parts.filter((p) => p.at === at && p.rule === rule);
        if (mine.length === 0) continue;
        const others = parts.filter((p) => p.at !== at && this.ruleMatches(rule, p));
        const quantity = mine.reduce((n, p) => n + p.quantity, 0n);
        const before = others.filter((p) => p.at < at).reduce((n, p) => n + p.quantity, 0n);
        const all = others.reduce((n, p) => n + p.quantity, quantity);
        if (rule.kind === 'discount') {
          for (const p of mine) p.now -= round(p.now * percent(rule.percent), 1_000_000n);
        } else if (rule.kind === 'fixed') {
          for (const p of mine) p.now = p.quantity * this.unitPrice(rule.meter, rule.price);
        } else if (rule.kind === 'volume') {
          const step = rule.steps.find((s) => !s.up_to || all <= BigInt(s.up_to));
          for (const p of mine) p.now = p.quantity * this.unitPrice(rule.meter, step.price);
        } else {
          const cost = this.costOf(rule, before + quantity) - this.costOf(rule, before);
          split(cost, mine.map((p) => p.quantity)).forEach((amount, i) => { mine[i].now = amount; });
        }
        this.itemsBy(mine, (p) => p.now - p.exact, 'rate_card', sheet);
      }
    });
  }
  /** One item for each project and currency. */
  itemsBy(parts, amount, kind, sheet) {
    const sums = new Map();
    for (const p of parts) {
      const key = JSON.stringify([p.project, p.currency === 'USD' ? 0 : 1]);
      sums.set(key, { project: p.project, currency: p.currency, exact: (sums.get(key)?.exact ?? 0n) + amount(p) });
    }
    for (const [, s] of [...sums].sort(([a], [b]) => (a < b ? -1 : 1))) this.addItem(sheet, kind, s.project, s.exact, s.currency);
  }
  reserved(segments, parts, sheet) {
    segments.forEach((segment, at) => {
      const list = segment.terms?.reserved_capacity ?? [];
      for (const each of list) {
        const mine = parts.filter((p) => p.at === at && list.find((r) => matchesName(r.models, p.model)) === each);
        for (const p of mine) p.taken = round(p.now * percent(each.percent), 1_000_000n);
        this.itemsBy(mine, (p) => -p.taken, 'reserved', sheet);
        for (const p of mine) p.now -= p.taken;
      }
    });
  }

  take(sums, kind, ppm, sheet) {
    if (!ppm) return;
    for (const project of [...sums.keys()].sort()) {
      for (const currency of ['USD', 'CNY']) {
        const amount = round(sums.get(project)[currency] * ppm, 1_000_000n);
        this.addItem(sheet, kind, project, kind === 'management_fee' ? amount : -amount, currency);
        if (kind !== 'management_fee') sums.get(project)[currency] -= amount;
      }
    }
  }
  sumIn(sums, currency) {
    let [usd, cny] = [0n, 0n];
    for (const of of sums.values()) {
      usd += of.USD;
      cny += of.CNY;
    }
    return this.convert(usd, 'USD', currency) + this.convert(cny, 'CNY', currency);
  }
  discounts(month, segments, parts, sums, sheet) {
    const stepped = (steps, reached) => steps.filter(reached).at(-1)?.percent ?? '0';
    const volume = segments.map(({ terms }) => {
      const discount = terms?.volume_discount;
      if (!discount) return 0n;
      const basis = discount.basis === 'commitment'
        ? scaled(terms.commitment.amount, 15) * (terms.commitment.period === 'month' ? 12n : 1n)
        : sums.reduce((n, s) => n + this.sumIn(s, discount.currency ?? 'USD'), 0n);
      return percent(stepped(discount.steps, (s) => basis >= scaled(s.from, 15)));
    });
    const mixed = segments.map(({ terms }) => {
      const discount = terms?.mixed_model_discount;
      if (!discount) return 0n;
      const models = new Map();
      for (const p of parts) models.set(p.model, (models.get(p.model) ?? 0n) + this.convert(p.exact, p.currency, 'USD'));
      const all = [...models.values()].reduce((a, b) => a + b, 0n);
      const least = percent(discount.share_min_percent ?? '5');
      const count = [...models.values()].filter((usd) => usd > 0n && usd * 1_000_000n >= all * least).length;
      return percent(stepped(discount.steps, (s) => count >= s.models));
    });
    segments.forEach((_, at) => this.take(sums[at], 'volume', volume[at], sheet));
    segments.forEach((_, at) => this.take(sums[at], 'mixed_models', mixed[at], sheet));
    segments.forEach(({ terms }, at) => this.take(sums[at], 'transfer', percent(terms?.transfer_discount_percent), sheet));
    segments.forEach(({ terms }, at) => {
      const promotion = terms?.promotion;
      if (promotion && (!promotion.through || promotion.through >= month))
        this.take(sums[at], 'promotion', percent(promotion.percent), sheet);
    });
  }

  fees(month, segments, sums, sheet) {
    segments.forEach(({ terms }, at) => this.take(sums[at], 'management_fee', percent(terms?.management_fee?.percent), sheet));
    const days = monthDays(month);
    const through = (amount, day) => round(amount * BigInt(day - days.first + 1), BigInt(days.last - days.first + 1));
    for (const { terms, first, last } of segments) {
      const fee = terms?.management_fee;
      if (!fee?.month) continue;
      const amount = scaled(fee.month, 2);
      this.shareOut(sheet, 'management_fee', through(amount, last) - through(amount, first - 1), fee.currency ?? 'CNY');
    }
  }
  /** An amount of the customer, shared among projects by what each has to pay until here. */
  shareOut(sheet, kind, amount, currency) {
    if (amount === 0n) return;
    const whole = this.rounded(amount * CENT, currency);
    const paying = [...sheet.net].filter(([, net]) => net.cny > 0n).sort(([a], [b]) => (a < b ? -1 : 1));
    if (paying.length === 0) paying.push(['(customer)', { cny: 1n }]);
    const weights = paying.map(([, net]) => net.cny);
    const usd = split(whole.usd, weights);
    const cny = split(whole.cny, weights);
    paying.forEach(([project], i) => {
      if (usd[i] === 0n && cny[i] === 0n) return;
      sheet.items.push({ kind, project, usd: usd[i], cny: cny[i] });
      this.addNet(sheet, project, usd[i], cny[i]);
    });
  }
  commitments(month, segments, sums, sheet) {
    const { first, last } = monthDays(month);
    const periods = [];
    segments.forEach((segment, at) => {
      if (!segment.period) return;
      const same = periods.find((p) => p.contract === segment.contract && p.first === segment.period.first);
      const period = same ?? { ...segment.period, spent: 0n };
      if (!same) periods.push(period);
      period.spent += this.sumIn(sums[at], period.currency);
    });
    for (const period of periods) {
      const spent = round(period.spent, CENT);
      let before = 0n;
      for (const [finalMonth, counted] of this.finals) {
        if (finalMonth < month) before += counted.get(`${period.contract.code} ${period.first}`) ?? 0n;
      }
      let missing = period.last <= last ? period.committed - before - spent : 0n;
      if (missing < 0n) missing = 0n;
      sheet.commitments.push({ ...period, before, spent, missing });
      this.shareOut(sheet, 'true_up', missing, period.currency);
    }
    for (const contract of this.contracts) {
      if (contract.end === contract.last || contract.end < first || contract.end > last || contract.last === Infinity) continue;
      const { terms } = this.termsOn(contract, contract.end);
      if (!terms.commitment) continue;
      let left = 0n;
      for (let day = contract.end + 1; day <= contract.last;) {
        const whole = this.wholePeriod(contract, terms.commitment, day);
        const end = Math.min(whole.last, contract.last);
        left += this.committed(contract, whole, day, end);
        day = end + 1;
      }
      const penalty = round(left * percent(terms.termination_percent), 1_000_000n);
      this.shareOut(sheet, 'early_end', penalty, terms.commitment.currency ?? 'USD');
    }
  }

  /** Credits first, then the other adjustments, each in the order in which they were made. */
  added(month, sheet) {
    for (const kind of ['sla_credit', 'adjustment']) {
      for (const each of this.adjustments.filter((a) => a.month === month && a.kind === kind)) {
        if (each.project === '*') {
          this.shareOut(sheet, kind, each.amount, each.currency);
          continue;
        }
        const { usd, cny } = this.rounded(each.amount * CENT, each.currency);
        sheet.items.push({ kind, project: each.project, usd, cny });
        this.addNet(sheet, each.project, usd, cny);
      }
    }
  }

  finalise(month) {
    const sheet = this.bill(month);
    const counted = new Map(sheet.commitments.map((c) => [`${c.contract.code} ${c.first}`, c.spent]));
    for (const call of this.calls)
      if (monthOf(call.day) === month || (monthOf(call.day) < month && this.finals.has(monthOf(call.day)))) call.billed = true;
    this.finals.set(month, counted);
  }

  /** The bill as scripts write it. */
  text(month) {
    const sheet = this.bill(month);
    const out = [];
    for (const line of [...sheet.lines, ...sheet.late]) {
      const unit = decimal(line.price, 9, 2);
      out.push(`${line.late ? `late ${line.late}` : 'line'} ${line.project} ${line.model} ${line.meter} ` +
        `${grouped(line.quantity.toString())} at ${unit} ${line.currency} = ${cents(line.usd)} USD, ${cents(line.cny)} CNY`);
    }
    for (const item of sheet.items)
      out.push(`item ${item.project} ${item.kind} = ${cents(item.usd)} USD, ${cents(item.cny)} CNY`);
    for (const c of sheet.commitments)
      out.push(`commitment ${dayText(c.first)} to ${dayText(c.last)}: ${cents(c.committed)} ${c.currency}, ` +
        `spent ${cents(c.before)} + ${cents(c.spent)}, missing ${cents(c.missing)}`);
    const projects = [...sheet.net].sort(([a], [b]) => (a < b ? -1 : 1));
    const net = projects.reduce((n, [, p]) => n + p.cny, 0n);
    const vat = round(net * this.vat, 1_000_000n);
    const shares = projects.map(([, p]) => {
      const exact = p.cny * this.vat;
      const below = exact < 0n ? -((-exact + 999_999n) / 1_000_000n) : exact / 1_000_000n;
      return { below, rest: exact - below * 1_000_000n };
    });
    let left = vat - shares.reduce((n, s) => n + s.below, 0n);
    for (const share of [...shares].sort((a, b) => (a.rest === b.rest ? 0 : a.rest > b.rest ? -1 : 1))) {
      if (left-- <= 0n) break;
      share.below += 1n;
    }
    projects.forEach(([project, p], i) =>
      out.push(`project ${project}: ${cents(p.cny)} + ${cents(shares[i].below)} = ${cents(p.cny + shares[i].below)} CNY`));
    out.push(`total: ${cents(net)} + ${cents(vat)} = ${cents(net + vat)} CNY`);
    return out.map((line) => `    ${line}\n`).join('');
  }
}

/**
 * Runs a script. Returns it with every expectation replaced by what the oracle finds, so that a script whose expectations are right
 * comes back as it was.
 */
export const recompute = (script) => {
  const customer = new Customer();
  const lines = script.split('\n');
  const out = [];
  for (let i = 0; i < lines.length; i += 1) {
    const words = lines[i].trim().split(/\s+/);
    out.push(lines[i]);
    const block = () => {
      let json = '';
      for (i += 1; lines[i] !== 'end'; i += 1) {
        json += `${lines[i]}\n`;
        out.push(lines[i]);
      }
      out.push('end');
      return JSON.parse(json);
    };
    switch (words[0]) {
      case 'zone': [, customer.zone] = words; break;
      case 'rate': customer.rate = scaled(words[1], 8); break;
      case 'vat': customer.vat = percent(words[1]); break;
      case 'price': {
        // As written: per million tokens, or per call.
        const perM = scaled(words[3], 9) * (words[2] === 'request' ? PER_MILLION : 1n);
        customer.prices.set(`${words[1]} ${words[2]}`, { price: perM, currency: words[4] });
        break;
      }
      case 'usage':
        customer.calls.push({ day: localDay(words[1], customer.zone), project: words[2], model: words[3], meter: words[4],
          quantity: scaled(words[5], 0), ...customer.prices.get(`${words[3]} ${words[4]}`) });
        break;
      case 'contract': {
        const first = dayNumber(words[4]);
        const years = { none: Infinity, one_year: 1, three_years: 3 }[words[2]];
        const last = years === Infinity ? Infinity : yearsLater(first, years) - 1;
        customer.contracts.push({ code: words[1], first, last, end: last, versions: [{ from: first, terms: block() }] });
        break;
      }
      case 'amend':
        customer.contracts.find((c) => c.code === words[1]).versions.push({ from: dayNumber(words[3]), terms: block() });
        break;
      case 'stop': customer.contracts.find((c) => c.code === words[1]).end = dayNumber(words[3]); break;
      case 'adjust':
      case 'sla_credit':
        customer.adjustments.push({ kind: words[0] === 'adjust' ? 'adjustment' : words[0], month: words[1], project: words[2],
          amount: scaled(words[3], 2), currency: words[4] });
        break;
      case 'final': customer.finalise(words[1]); break;
      case 'bill':
        while (lines[i + 1]?.startsWith('    ')) i += 1;
        out.push(customer.text(words[1]).replace(/\n$/, ''));
        break;
      default: break; // comments and empty lines
    }
  }
  return out.join('\n');
};

// node sim/bill_oracle.mjs FILE: the script with what the oracle finds.
if (process.argv[1]?.endsWith('bill_oracle.mjs')) process.stdout.write(recompute(readFileSync(process.argv[2], 'utf8')));
