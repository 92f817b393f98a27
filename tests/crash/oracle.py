"""What the books must say, worked out from the simulator's log with integers alone and no code of the product.

Prices are nano-units of the currency per million tokens, so tokens x price is an integer number of 10^-15.
"""
import collections
import datetime
import zoneinfo

FEMTO_PER_CENT = 10 ** 13
RATE_E8 = 720_000_000
VAT_PPM = 60_000
PPM = 1_000_000
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
METERS = ('input', 'cache_read', 'cache_write', 'input_audio', 'output', 'reasoning', 'output_audio')


def half_up(dividend, divisor):
    return (2 * dividend + divisor) // (2 * divisor)


def billed_usage(lines):
    """Disjoint meters of everything that the simulator billed for one request id."""
    total = collections.Counter()
    for line in lines:
        billed = collections.Counter(line['billed'])
        total.update(
            cache_read=billed['cached_tokens'], cache_write=billed['cache_write_tokens'],
            input_audio=billed['audio_in_tokens'], reasoning=billed['reasoning_tokens'],
            output_audio=billed['audio_out_tokens'],
            input=billed['prompt_tokens'] - billed['cached_tokens'] - billed['cache_write_tokens'] - billed['audio_in_tokens'],
            output=billed['completion_tokens'] - billed['reasoning_tokens'] - billed['audio_out_tokens'])
    return {meter: quantity for meter, quantity in total.items() if quantity}


def reported_usage(shown):
    """The same from a usage object as the API shows it: chat's names or those of responses."""
    def first(*names):
        return next((shown[name] for name in names if name in shown), 0)
    ins = first('prompt_tokens_details', 'input_tokens_details') or {}
    outs = first('completion_tokens_details', 'output_tokens_details') or {}
    return billed_usage([{'billed': {
        'prompt_tokens': first('prompt_tokens', 'input_tokens'), 'cached_tokens': ins.get('cached_tokens', 0),
        'cache_write_tokens': ins.get('cache_write_tokens', 0), 'audio_in_tokens': ins.get('audio_tokens', 0),
        'completion_tokens': first('completion_tokens', 'output_tokens'),
        'reasoning_tokens': outs.get('reasoning_tokens', 0), 'audio_out_tokens': outs.get('audio_tokens', 0)}}])


def parse_usage_text(text):
    return {meter: int(quantity) for meter, quantity in (item.split(':') for item in text.split(',') if item)}


def tokens(usage, *, output):
    return sum(q for meter, q in usage.items() if (meter in ('output', 'reasoning', 'output_audio')) == output)


class PriceBook:
    """Every price ever set in this campaign, by hand: (model, tier, meter) -> [(version, from when, nano)]."""

    def __init__(self):
        self.prices = collections.defaultdict(list)
        self.versions = set()

    def set(self, version, valid_from_us, model, tier, nano_by_meter):
        self.versions.add(version)
        for meter, nano in nano_by_meter.items():
            self.prices[model, tier, meter].append((version, valid_from_us, nano))

    def find(self, version, model, tier, meter, started_at_us):
        """The newest price in force at the call's start in the book that the call was let in with."""
        known = [nano for v, valid_from, nano in self.prices[model, tier, meter] if v <= version and valid_from <= started_at_us]
        return known[-1]


def local_day(time_zone, at_us):
    """Day number since 1970-01-01 of a moment in a customer's zone."""
    local = (EPOCH + datetime.timedelta(microseconds=at_us)).astimezone(zoneinfo.ZoneInfo(time_zone))
    return (local.date() - EPOCH.date()).days


def month_of(day):
    return (EPOCH.date() + datetime.timedelta(days=day)).strftime('%Y-%m')


class Bills:
    """Bills of all customers and months from (account, day, model, tier, usage, price of a meter)."""

    def __init__(self):
        self.quantities = collections.defaultdict(collections.Counter)
        self.requests = collections.defaultdict(collections.Counter)

    def add(self, account, day, model, tier, usage, price_of):
        bill = account.customer, month_of(day)
        self.requests[bill][account.project] += 1
        for meter, quantity in usage.items():
            self.quantities[bill][account, model, tier, meter, price_of(meter)] += quantity

    def bill(self, customer, month):
        """The lines and sums that `tollgate bill --format json` prints, as (lines, projects, total)."""
        lines, projects = [], {}
        for project, requests in self.requests[customer, month].items():
            projects[project] = {'requests': requests, 'usd_femto': 0, 'usd_cents': 0, 'cny_fen': 0}
        for (account, model, tier, meter, nano), quantity in self.quantities[customer, month].items():
            femto = quantity * nano
            cents, fen = half_up(femto, FEMTO_PER_CENT), half_up(femto * RATE_E8, FEMTO_PER_CENT * 10 ** 8)
            lines.append((account.project, account.department, account.environment, model, 'openai', meter, tier, quantity,
                          nano, femto, cents, fen))
            total = projects[account.project]
            total['usd_femto'] += femto
            total['usd_cents'] += cents
            total['cny_fen'] += fen
        whole = {field: sum(p[field] for p in projects.values()) for field in ('requests', 'usd_femto', 'usd_cents', 'cny_fen')}
        share_tax(whole, projects)
        return sorted(lines), projects, whole


def share_tax(whole, projects):
    """Tax of the whole, half-up; each project its share by largest remainder, ties in order of their names."""
    whole['vat_fen'] = half_up(whole['cny_fen'] * VAT_PPM, PPM)
    for total in projects.values():
        total['vat_fen'] = total['cny_fen'] * VAT_PPM // PPM
    left = whole['vat_fen'] - sum(total['vat_fen'] for total in projects.values())
    by_remainder = sorted(projects, key=lambda name: (-(projects[name]['cny_fen'] * VAT_PPM % PPM), name))
    for name in by_remainder[:left]:
        projects[name]['vat_fen'] += 1
    for total in (whole, *projects.values()):
        total['total_fen'] = total['cny_fen'] + total['vat_fen']


def scaled(text, digits):
    """A decimal as an integer of 10^-digits; anything below is an error."""
    sign, text = (-1, text[1:]) if text.startswith('-') else (1, text)
    whole, _, fraction = text.partition('.')
    if len(fraction) > digits:
        raise ValueError(f'{text} has more than {digits} decimals')
    return sign * int(whole + fraction.ljust(digits, '0'))


def bill_of_json(bill):
    """What the product printed, in the form of Bills.bill()."""
    def sums(total):
        return {'requests': total['requests'], 'usd_femto': scaled(total['usd_exact'], 15),
                'usd_cents': scaled(total['usd'], 2), 'cny_fen': scaled(total['cny'], 2),
                'vat_fen': scaled(total['vat_cny'], 2), 'total_fen': scaled(total['total_cny'], 2)}
    lines = [(line['project'], line['department'], line['environment'], line['model'], line['provider'], line['meter'],
              line['tier'], line['quantity'], scaled(line['price_per_million'], 9), scaled(line['exact'], 15),
              scaled(line['usd'], 2), scaled(line['cny'], 2)) for line in bill['lines']]
    return sorted(lines), {p['project']: sums(p) for p in bill['projects']}, sums(bill['total'])
