// Simulates the open platforms through which invoices of the Chinese tax office are issued: Nuonuo (诺诺) under /accessToken and
// /open/v1/services, Baiwang (百望云) under /router/rest. Signatures, tokens and what a platform checks are real; the invoices are
// none: every file says so. Shares no code with src/. Shapes and rules: Nuonuo's documents of nuonuo.OpeMplatform.*, V2.0, and
// Baiwang's of version 6.0 and 7.0.
//
//   node sim/einvoice.mjs --port 9100
//
// GET /sim shows settings and invoices; POST /sim changes settings, whose meanings stand at `defaults`.
import { createHash, createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const defaults = {
    needs_confirmation: false, // red letters wait for the buyer
    issue_polls: 1, // Nuonuo: queries until a request is issued
    lose_requests: 0, // so many requests are dropped before they are looked at
    lose_answers: 0, // so many are done, and their answers dropped
    fail_http: 0, // so many are answered 502
    hours: 0, // the platform's clock is ahead by so many
    credit_fen: 0, // 授信额度 of the month, without tax; 0: no limit
    tokens_max: 50, // in 30 days
};
export const credentials = {
    nuonuo: { appKey: 'sim-app', appSecret: 'sim-secret-0123456789' },
    baiwang: { appKey: 'sim-bw', appSecret: 'sim-bw-secret', username: 'billing', password: 'pass', salt: 'salt' },
};
const HOUR = 3_600_000;
const CONFIRM_HOURS = 72;
const alphabet = '0123456789ABCDEFGHJKLMNPQRTUWXY';

/** A unified social credit code, by GB 32100-2015. */
function isTaxNumber(code) {
    if (/^[0-9A-Z]{15}$|^[0-9A-Z]{17}$|^[0-9A-Z]{20}$/.test(code)) return true;
    if (!/^[0-9A-HJ-NPQRTUWXY]{18}$/.test(code)) return false;
    let sum = 0;
    for (let i = 0; i < 17; ++i) sum += alphabet.indexOf(code[i]) * (3 ** i % 31);
    return alphabet[(31 - (sum % 31)) % 31] === code[17];
}
const fen = (text) => Math.round(Number(text) * 100);
const yuan = (amount) => (amount / 100).toFixed(2);
const escaped = (text) => String(text ?? '').replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

class Refusal extends Error {
    constructor(code, text) {
        super(text);
        this.code = code;
    }
}

class Platform {
    constructor() {
        this.reset();
    }

    reset() {
        this.settings = { ...defaults };
        this.invoices = new Map(); // by serial
        this.reds = new Map(); // confirmations, by serial
        this.tokens = new Map();
        this.issuedTokens = [];
        this.log = [];
        this.next = 1;
        this.doubles = 0; // requests for an invoice that was requested before
    }

    now() {
        return Date.now() + this.settings.hours * HOUR;
    }

    token() {
        const from = this.now() - 30 * 24 * HOUR;
        this.issuedTokens = this.issuedTokens.filter((at) => at > from);
        if (this.issuedTokens.length >= this.settings.tokens_max) return null;
        this.issuedTokens.push(this.now());
        const token = `token-${this.issuedTokens.length}-${this.next}`;
        this.tokens.set(token, this.now() + 24 * HOUR);
        return token;
    }

    isValid(token) {
        return (this.tokens.get(token) ?? 0) > this.now();
    }

    /** 20 digits: year, province, channel, sequence. */
    number() {
        return `${new Date(this.now()).getFullYear() % 100}33${'2'}${String(this.next++).padStart(15, '0')}`;
    }

    /** What both platforms check of lines: E9130 and E9131 of Nuonuo. */
    checkLines(lines) {
        if (lines.length === 0) throw new Refusal('E9120', '发票明细为空');
        for (const line of lines) {
            if (!/^\d{19}$/.test(line.code)) throw new Refusal('E9121', `商品编码 ${line.code} 不正确`);
            if (line.net + line.tax !== line.gross) throw new Refusal('E9130', '不含税金额与税额之和不等于含税金额');
            if (Math.abs(line.net * Number(line.rate) - line.tax) > 6) throw new Refusal('E9131', '税额误差超过0.06');
        }
    }

    checkCredit(net) {
        const used = [...this.invoices.values()].reduce((sum, each) => sum + (each.number ? each.net : 0), 0);
        return this.settings.credit_fen === 0 || used + net <= this.settings.credit_fen;
    }

    request(serial, invoice) {
        if (this.invoices.has(serial)) {
            ++this.doubles;
            throw new Refusal('E9106', '订单编号不能重复');
        }
        if (invoice.buyer.tax && !isTaxNumber(invoice.buyer.tax)) throw new Refusal('E9122', '购方税号不正确');
        if (!isTaxNumber(invoice.seller.tax)) throw new Refusal('E9302', '销方税号不匹配');
        if (invoice.special && !invoice.buyer.tax) throw new Refusal('E9123', '专票购方税号不能为空');
        this.checkLines(invoice.lines);
        const net = invoice.lines.reduce((sum, line) => sum + line.net, 0);
        const tax = invoice.lines.reduce((sum, line) => sum + line.tax, 0);
        this.invoices.set(serial, { ...invoice, serial, net, tax, polls: 0 });
        return this.invoices.get(serial);
    }

    issue(invoice) {
        if (invoice.number || invoice.failure) return;
        if (invoice.net > 0 && !this.checkCredit(invoice.net)) {
            invoice.failure = '授信额度不足';
            return;
        }
        invoice.number = this.number();
        invoice.at = this.now();
    }

    byNumber(number) {
        return [...this.invoices.values()].find((each) => each.number === number);
    }

    /** A red-letter confirmation; `lines` empty: the whole invoice. */
    applyRed(serial, blueNumber, lines, reason) {
        const blue = this.byNumber(blueNumber);
        if (!blue) throw new Refusal('E9601', '蓝票不存在');
        if (this.reds.has(serial)) throw new Refusal('E9602', '申请号重复');
        const open = [...this.reds.values()].find((red) => red.blue === blue && ['02', '03', '15'].includes(this.stateOf(red)));
        if (open) throw new Refusal('E9603', '该蓝票存在未完结的红字确认单');
        const taken = [...this.reds.values()].filter((red) => red.blue === blue && red.invoice).flatMap((red) => red.lines);
        const left = blue.lines.map((line, i) => ({ ...line, index: i + 1,
            net: line.net + taken.filter((t) => t.index === i + 1).reduce((sum, t) => sum + t.net, 0),
            tax: line.tax + taken.filter((t) => t.index === i + 1).reduce((sum, t) => sum + t.tax, 0) }));
        const wanted = lines.length > 0 ? lines : left.filter((l) => l.net > 0).map((l) => ({ ...l, net: -l.net, tax: -l.tax }));
        for (const line of wanted) {
            const of = left.find((l) => l.index === line.index);
            if (!of || line.net >= 0 || of.net + line.net < 0 || of.tax + line.tax < 0)
                throw new Refusal('E9604', '冲红金额超过蓝票可冲红金额');
            if (Number(of.rate) !== Number(line.rate)) throw new Refusal('E9605', '税率与蓝票不一致');
        }
        if (reason === '2' && lines.length > 0) throw new Refusal('E9606', '开票有误须全额冲红');
        const red = { serial, blue, lines: wanted, reason, at: this.now(), no: `C${String(this.next++).padStart(15, '0')}`,
            state: this.settings.needs_confirmation ? '02' : '01' };
        this.reds.set(serial, red);
        this.settleRed(red);
        return red;
    }

    stateOf(red) {
        if (red.state === '02' && this.now() - red.at > CONFIRM_HOURS * HOUR) red.state = '07';
        return red.state;
    }

    /** Digital ones are issued by the platform as soon as nothing is missing. */
    settleRed(red) {
        if (red.invoice || !['01', '04'].includes(this.stateOf(red))) return;
        red.invoice = { ...red.blue, serial: red.serial, lines: red.lines, polls: this.settings.issue_polls,
            net: red.lines.reduce((sum, line) => sum + line.net, 0), tax: red.lines.reduce((sum, line) => sum + line.tax, 0),
            red: { blue: red.blue.number, confirmation: red.no }, number: undefined };
        this.issue(red.invoice);
        this.invoices.set(red.serial, red.invoice);
    }

    answerOfBuyer(serial, answer) {
        const red = this.reds.get(serial);
        if (!red || this.stateOf(red) !== '02') return false;
        red.state = answer === 'confirm' ? '04' : '05';
        this.settleRed(red);
        return true;
    }
}

/** The electronic original, in the form of EInvoice 0.35; of this simulator, and it says so. */
function xmlOf(invoice) {
    const line = (l) => `<IssuItemInformation><ItemName>${escaped(l.name)}</ItemName><Amount>${yuan(l.net)}</Amount><TaxRate>${l.rate}` +
        `</TaxRate><ComTaxAm>${yuan(l.tax)}</ComTaxAm><TotaltaxIncludedAmount>${yuan(l.net + l.tax)}</TotaltaxIncludedAmount>` +
        `<TaxClassificationCode>${l.code}</TaxClassificationCode></IssuItemInformation>`;
    return '<?xml version="1.0" encoding="UTF-8"?>\n<!-- 模拟文件，非税务凭证 (simulated, not a tax document) -->\n' +
        `<EInvoice><Header><EIid>${invoice.number}</EIid><Version>0.35</Version><InherentLabel><InIssuType><LabelCode>` +
        `${invoice.red ? 'N' : 'Y'}</LabelCode></InIssuType><GeneralOrSpecialVAT><LabelCode>${invoice.special ? '01' : '02'}` +
        '</LabelCode></GeneralOrSpecialVAT></InherentLabel></Header><EInvoiceData><SellerInformation><SellerIdNum>' +
        `${invoice.seller.tax}</SellerIdNum></SellerInformation><BuyerInformation><BuyerIdNum>${escaped(invoice.buyer.tax)}` +
        `</BuyerIdNum><BuyerName>${escaped(invoice.buyer.name)}</BuyerName></BuyerInformation><BasicInformation><TotalAmWithoutTax>` +
        `${yuan(invoice.net)}</TotalAmWithoutTax><TotalTaxAm>${yuan(invoice.tax)}</TotalTaxAm></BasicInformation>` +
        `${invoice.lines.map(line).join('')}${invoice.red ? '<SpecificInformation><RedEInvoice><OriginalInvoiceCode>' +
            `${invoice.red.blue}</OriginalInvoiceCode><CreditNoteNumber>${invoice.red.confirmation}</CreditNoteNumber></RedEInvoice>` +
            '</SpecificInformation>' : ''}</EInvoiceData></EInvoice>\n`;
}

/** Nuonuo's dialect. Refusals are codes in answers of HTTP 200. */
class Nuonuo {
    constructor(platform, base) {
        Object.assign(this, { platform, base });
    }

    accessToken(body) {
        const form = new URLSearchParams(body);
        const { appKey, appSecret } = credentials.nuonuo;
        if (form.get('client_id') !== appKey || form.get('client_secret') !== appSecret ||
            form.get('grant_type') !== 'client_credentials')
            return { error: 'invalid_client', error_description: 'appKey或appSecret不正确' };
        const token = this.platform.token();
        return token ? { access_token: token, expires_in: 86400 } : { error: '070101', error_description: '令牌次数超限' };
    }

    services(url, headers, body) {
        const { appKey, appSecret } = credentials.nuonuo;
        const query = url.searchParams;
        const [senid, nonce, time] = ['senid', 'nonce', 'timestamp'].map((name) => query.get(name) ?? '');
        const text = `a=services&l=v1&p=open&k=${query.get('appkey')}&i=${senid}&n=${nonce}&t=${time}&f=${body}`;
        const sign = createHmac('sha1', appSecret).update(text).digest('base64');
        if (query.get('appkey') !== appKey || headers['x-nuonuo-sign'] !== sign || !/^\w{32}$/.test(senid) || !/^\d{8}$/.test(nonce))
            return { code: '070302', describe: '签名校验失败' };
        if (Math.abs(Number(time) * 1000 - Date.now()) > HOUR) return { code: '070303', describe: '时间戳过期' };
        if (!this.platform.isValid(headers.accesstoken)) return { code: '070601', describe: 'accessToken已过期' };
        try {
            return this.call(headers.method, JSON.parse(body));
        } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            return { code: error.code, describe: error.message };
        }
    }

    call(method, body) {
        switch (method) {
            case 'nuonuo.OpeMplatform.requestBillingNew':
                return this.issue(body.order);
            case 'nuonuo.OpeMplatform.queryInvoiceResult':
                return this.query(body.orderNos);
            case 'nuonuo.OpeMplatform.saveInvoiceRedConfirm':
                return this.applyRed(body);
            case 'nuonuo.OpeMplatform.queryInvoiceRedConfirm':
                return this.queryRed(body);
            default:
                return { code: '070401', describe: `方法 ${method} 不存在` };
        }
    }

    issue(order) {
        if (!order.orderNo || order.orderNo.length > 20) throw new Refusal('E9101', 'orderNo 长度为1到20');
        if (!order.buyerName || [...order.buyerName].length > 100) throw new Refusal('E9102', '购方名称不正确');
        if (!['bs', 'pc'].includes(order.invoiceLine)) throw new Refusal('E9103', `票种 ${order.invoiceLine} 未开通`);
        if (!order.clerk || order.clerk.length > 20) throw new Refusal('E9104', '开票员不能为空');
        if (!/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(order.invoiceDate)) throw new Refusal('E9105', '开票时间格式不正确');
        const lines = order.invoiceDetail.map((d) => ({ name: `*信息技术服务*${d.goodsName}`, code: d.goodsCode, rate: d.taxRate,
            net: fen(d.taxExcludedAmount), tax: fen(d.tax), gross: fen(d.taxIncludedAmount) }));
        this.platform.request(order.orderNo, { special: order.invoiceLine === 'bs', lines,
            buyer: { name: order.buyerName, tax: order.buyerTaxNum }, seller: { tax: order.salerTaxNum } });
        return { code: 'E0000', describe: '开票提交成功', result: { invoiceSerialNum: `S${order.orderNo}` } };
    }

    query(orders) {
        const result = [];
        for (const order of orders ?? []) {
            const invoice = this.platform.invoices.get(order);
            if (!invoice) continue;
            if (++invoice.polls > this.platform.settings.issue_polls) this.platform.issue(invoice);
            const status = invoice.number ? '2' : invoice.failure ? '22' : '20';
            result.push({ serialNo: `S${order}`, orderNo: order, status, failCause: invoice.failure ?? '',
                ...(invoice.number ? { invoiceNo: invoice.number, allElectronicInvoiceNumber: invoice.number, invoiceTime: invoice.at,
                    xmlUrl: `${this.base}/files/${invoice.number}.xml`, exTaxAmount: yuan(invoice.net) } : {}) });
        }
        return { code: 'E0000', describe: '获取成功', result };
    }

    applyRed(body) {
        const lines = (body.detail ?? []).map((d) => ({ index: Number(d.blueDetailIndex), name: d.goodsName, code: d.goodsCode,
            rate: d.taxRate, net: fen(d.taxExcludedAmount), tax: fen(d.taxAmount) }));
        this.platform.applyRed(body.billId, body.blueElecInvoiceNumber, lines, body.redReason);
        return { code: 'E0000', describe: '成功', result: body.billId };
    }

    queryRed(body) {
        const red = this.platform.reds.get(body.billId);
        const list = red ? [{ billId: red.serial, billNo: red.no, billUuid: `u${red.no}`, billStatus: this.platform.stateOf(red),
            openStatus: red.invoice?.number ? '1' : '0', orderNo: red.serial, redReason: red.reason }] : [];
        return { code: 'E0000', describe: '查询成功', total: String(list.length), list };
    }
}

/** Baiwang's dialect: one address, the method in the query, partial failure inside of success. */
class Baiwang {
    constructor(platform, base) {
        Object.assign(this, { platform, base });
    }

    error(code, message) {
        return { success: false, errorResponse: { code, message } };
    }

    route(url, body) {
        const query = Object.fromEntries(url.searchParams);
        const { appKey, appSecret, username, password, salt } = credentials.baiwang;
        if (query.method === 'baiwang.oauth.token') {
            const hash = createHash('sha256').update(password + salt).digest('hex');
            const sent = JSON.parse(body);
            if (query.client_id !== appKey || sent.client_secret !== appSecret || sent.username !== username || sent.password !== hash)
                return this.error('100003', '用户名或密码错误');
            return { success: true, response: { access_token: this.platform.token(), expires_in: 28800 } };
        }
        const { sign, ...signed } = query;
        const text = Object.keys(signed).sort().filter((key) => signed[key]).map((key) => key + signed[key]).join('');
        const expected = createHash('md5').update(appSecret + text + body + appSecret).digest('hex').toUpperCase();
        if (sign !== expected) return this.error('100007', '签名错误');
        if (!this.platform.isValid(query.token)) return this.error('100002', 'token已过期');
        try {
            return this.call(query.method, query.version, JSON.parse(body));
        } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            const code = { E9106: '70999', E9604: '70035', E9603: '70035' }[error.code] ?? '70169';
            return this.error(code, error.message);
        }
    }

    call(method, version, body) {
        if (method === 'baiwang.output.invoice.issue' && version === '6.0') return this.issue(body);
        if (method === 'baiwang.output.invoice.query' && version === '6.0') return this.query(body);
        if (method === 'baiwang.output.redinvoice.add' && version === '7.0') return this.applyRed(body);
        if (method === 'baiwang.output.redinvoice.formlist' && version === '7.0') return this.queryRed(body);
        return this.error('10001', `接口 ${method} ${version} 不存在`);
    }

    static time(ms) {
        return new Date(ms + 8 * HOUR).toISOString().replace(/\D/g, '').slice(0, 14);
    }

    shown(invoice) {
        return { serialNo: invoice.serial, status: invoice.number ? '01' : '02', message: invoice.failure ?? '',
            ...(invoice.number ? { invoiceNo: invoice.number, invoiceDate: Baiwang.time(invoice.at),
                xmlUrl: `${this.base}/files/${invoice.number}.xml` } : {}) };
    }

    issue({ taxNo, data }) {
        if (!['01', '02'].includes(data.invoiceTypeCode)) throw new Refusal('20019', '发票类型不正确');
        const lines = data.invoiceDetailsList.map((d) => ({ name: `*信息技术服务*${d.goodsName}`, code: d.goodsCode,
            rate: d.goodsTaxRate, net: fen(d.goodsTotalPrice), tax: fen(d.goodsTotalTax),
            gross: fen(d.goodsTotalPrice) + fen(d.goodsTotalTax) }));
        const invoice = this.platform.request(data.serialNo, { special: data.invoiceTypeCode === '01', lines,
            buyer: { name: data.buyerName, tax: data.buyerTaxNo }, seller: { tax: taxNo } });
        if (fen(data.invoiceTotalPriceTax) !== invoice.net + invoice.tax) throw new Refusal('E9130', '合计金额不正确');
        this.platform.issue(invoice);
        return { success: true, response: invoice.number ? { success: [this.shown(invoice)], fail: [] }
            : { success: [], fail: [{ code: '30001', message: invoice.failure }] } };
    }

    query({ data }) {
        const invoice = this.platform.invoices.get(data.serialNo);
        return { success: true, response: invoice ? [this.shown(invoice)] : [] };
    }

    formOf(red) {
        const invoice = red.invoice?.number ? red.invoice : null;
        return { redConfirmUuid: `u${red.no}`, redConfirmNo: red.no, redConfirmSerialNo: red.serial,
            confirmState: this.platform.stateOf(red), alreadyRedInvoiceFlag: invoice ? 'Y' : 'N',
            ...(invoice ? { redInvoiceNo: invoice.number, redInvoiceDate: Baiwang.time(invoice.at) } : {}) };
    }

    applyRed(body) {
        const lines = body.redConfirmDetailReqEntityList.map((d) => ({ index: Number(d.originalInvoiceDetailNo), name: d.goodsName,
            code: d.goodsCode, rate: d.goodsTaxRate, net: fen(d.goodsTotalPrice), tax: fen(d.goodsTotalTax) }));
        const net = lines.reduce((sum, line) => sum + line.net, 0);
        if (net !== fen(body.invoiceTotalPrice)) throw new Refusal('E9130', '合计金额不正确');
        return { success: true, response: [this.formOf(this.platform.applyRed(body.redConfirmSerialNo, body.originalInvoiceNo,
            lines, body.redInvoiceLabel === '02' ? '' : body.redInvoiceLabel))] };
    }

    queryRed(body) {
        const red = this.platform.reds.get(body.redConfirmSerialNo);
        return { success: true, response: red ? [this.formOf(red)] : [] };
    }
}

export function startSimulator(port) {
    const platform = new Platform();
    const base = `http://127.0.0.1:${port}`;
    const nuonuo = new Nuonuo(platform, base);
    const baiwang = new Baiwang(platform, base);
    const control = (method, body) => {
        if (method === 'POST') {
            const { reset, confirm, refuse, ...settings } = JSON.parse(body || '{}');
            if (reset) platform.reset();
            for (const key of Object.keys(settings)) if (!(key in defaults)) return { error: `no setting is called '${key}'` };
            Object.assign(platform.settings, settings);
            if (confirm) return { done: platform.answerOfBuyer(confirm, 'confirm') };
            if (refuse) return { done: platform.answerOfBuyer(refuse, 'refuse') };
        }
        return { settings: platform.settings, tokens: platform.issuedTokens.length, doubles: platform.doubles, calls: platform.log,
            invoices: [...platform.invoices.values()].filter((each) => each.number).map((each) => ({ number: each.number,
                serial: each.serial, net: each.net, tax: each.tax, special: each.special, red: each.red ?? null })) };
    };
    const answer = (url, request, body) => {
        if (url.pathname === '/sim') return control(request.method, body);
        if (url.pathname === '/accessToken') return nuonuo.accessToken(body);
        platform.log.push(request.headers.method ?? url.searchParams.get('method'));
        if (url.pathname === '/open/v1/services') return nuonuo.services(url, request.headers, body);
        if (url.pathname === '/router/rest') return baiwang.route(url, body);
        return null;
    };
    const take = (name) => platform.settings[name] > 0 && platform.settings[name]-- > 0;
    const server = createServer(async (request, response) => {
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        const body = Buffer.concat(chunks).toString();
        const url = new URL(request.url, base);
        const file = /^\/files\/(\d{20})\.xml$/.exec(url.pathname);
        const invoice = file && platform.byNumber(file[1]);
        if (invoice) return response.setHeader('content-type', 'application/xml').end(xmlOf(invoice));
        const isControl = url.pathname === '/sim';
        if (!isControl && take('lose_requests')) return request.socket.destroy();
        if (!isControl && take('fail_http')) return response.writeHead(502).end('<html>Bad Gateway</html>');
        const reply = answer(url, request, body);
        if (!isControl && take('lose_answers')) return request.socket.destroy();
        response.writeHead(reply ? 200 : 404, { 'content-type': 'application/json;charset=UTF-8' });
        return response.end(JSON.stringify(reply ?? { error: 'unknown path' }));
    });
    server.listen(port, '127.0.0.1');
    return server;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
    const at = process.argv.indexOf('--port');
    const server = startSimulator(at > 0 ? Number(process.argv[at + 1]) : 9100);
    process.on('SIGTERM', () => {
        server.close();
        server.closeAllConnections();
    });
}
