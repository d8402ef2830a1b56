// A process that floods a server as its plan says (see flooder.ts), and then says what became of it. It thinks of nothing while it floods: every byte
// it sends was made beforehand, so that what it spends is what the cheapest attacker would.
import { connect } from 'node:net';

/** Of what a connection heard last, this much is told: a GOAWAY with its reason fits. */
const TAIL_BYTES = 1_200;
const TAILS = 4;

class Flood {
  opened = 0;
  open = 0;
  cut = 0;
  unreached = 0;
  bytesWritten = 0;
  bytesRead = 0;
  batches = 0;
  lives = [];
  tails = [];
  isOver = false;
  lastStopAtMs = 0;

  constructor(plan) {
    this.plan = plan;
  }

  run() {
    const { connections, forMs, rampMs = 0 } = this.plan;
    this.startedAt = performance.now();
    this.cpuBefore = process.cpuUsage();
    return new Promise((resolve) => {
      this.finish = () => this.end(resolve);
      this.timer = setTimeout(this.finish, forMs);
      let started = 0;
      const some = () => {
        const due = rampMs === 0 ? connections : ((performance.now() - this.startedAt) / rampMs) * connections;
        for (; started < Math.min(connections, due); started++) this.openOne();
        if (started < connections && !this.isOver) setTimeout(some, 10);
      };
      some();
    });
  }

  openOne() {
    const { addresses, port } = this.plan;
    const localAddress = addresses[this.opened++ % addresses.length];
    lines.add(new Line(this, connect({ host: '127.0.0.1', port, localAddress })));
  }

  /** Whether there is another batch to send; takes it. */
  takeBatch() {
    if (this.isOver || this.batches >= this.plan.batches) return false;
    this.batches++;
    return true;
  }

  onClosed(line) {
    this.open--;
    if (this.isOver) return;
    const now = performance.now();
    if (line.connectedAt === undefined) this.unreached++;
    else if (!line.hasLeft) {
      this.cut++;
      this.lives.push(now - line.since);
    }
    if (line.tail) this.tails.push(line.tail);
    const { returns, batches } = this.plan;
    const hasMore = batches === undefined || this.batches < batches;
    if (returns && hasMore) setImmediate(() => this.isOver || this.openOne());
    else if (this.open === 0) this.finish();
  }

  end(resolve) {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.timer);
    const { user, system } = process.cpuUsage(this.cpuBefore);
    const { opened, open: standing, cut, unreached, bytesWritten, bytesRead, batches, lives, tails } = this;
    const now = performance.now();
    const tookMs = now - this.startedAt;
    const ages = [...lines].filter((line) => line.connectedAt !== undefined).map((line) => now - line.since);
    for (const line of [...lines]) line.socket.destroy();
    resolve({
      cpuMs: (user + system) / 1_000,
      tookMs,
      lastStopAtMs: this.lastStopAtMs,
      ...{ opened, standing, cut, unreached, bytesWritten, bytesRead, batches, lives, ages, tails },
    });
  }
}

const lines = new Set();

/** One connection. */
class Line {
  hasLeft = false;
  bytesRead = 0;
  dripped = 0;
  calls = 0;
  /** Bytes it will have heard when its last batch was answered; NaN while it waits for no answer. */
  answeredAt = NaN;

  constructor(flood, socket) {
    this.flood = flood;
    this.socket = socket;
    if (flood.opened <= TAILS) this.tail = Buffer.alloc(0);
    flood.open++;
    socket.setNoDelay(true);
    socket.on('connect', () => this.connected());
    socket.on('data', (chunk) => this.heard(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(this.dripping);
      lines.delete(this);
      flood.bytesWritten += socket.bytesWritten;
      flood.onClosed(this);
    });
  }

  /** When it began to flood, or to be there. */
  get since() {
    return this.floodingSince ?? this.connectedAt;
  }

  connected() {
    const { opening, awaitBytes = 0 } = this.flood.plan;
    this.connectedAt = performance.now();
    if (opening) this.socket.write(opening);
    if (awaitBytes === 0) this.begin();
  }

  heard(chunk) {
    const { awaitBytes = 0, stopAfterBytes } = this.flood.plan;
    this.bytesRead += chunk.length;
    this.flood.bytesRead += chunk.length;
    if (this.tail) this.tail = Buffer.concat([this.tail, chunk.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
    if (this.floodingSince === undefined && this.bytesRead >= awaitBytes) this.begin();
    if (this.bytesRead >= stopAfterBytes) this.stop();
    if (this.bytesRead >= this.answeredAt) this.pour(this.flood.plan.batch);
  }

  /** Reads no more. */
  stop() {
    this.socket.pause();
    this.flood.lastStopAtMs = Date.now();
  }

  begin() {
    const { flood } = this;
    const { batch, drip, lead } = flood.plan;
    this.floodingSince = performance.now();
    if (lead) this.socket.write(lead);
    if (batch) this.pour(batch);
    if (drip) this.dripping = setInterval(() => this.drop(drip.bytes), drip.everyMs);
  }

  pour(batch) {
    const { socket, flood } = this;
    const { answerBytes, callIdAt } = flood.plan;
    this.answeredAt = NaN;
    while (!socket.destroyed && socket.writable) {
      if (!flood.takeBatch()) return this.leave();
      const isTaken = callIdAt === undefined ? socket.write(batch) : this.writeAs(batch, callIdAt);
      if (answerBytes !== undefined) return void (this.answeredAt = this.bytesRead + answerBytes);
      if (!isTaken) return void socket.once('drain', () => this.pour(batch));
    }
  }

  /** The batch as another call. */
  writeAs(batch, callIdAt) {
    const head = Buffer.from(batch.subarray(0, callIdAt + 4));
    head.writeUInt32BE(++this.calls, callIdAt);
    this.socket.write(head);
    return this.socket.write(batch.subarray(callIdAt + 4));
  }

  /** Everything was sent: what is answered is still read, and who is not cut until then leaves. */
  leave() {
    const timer = setTimeout(() => {
      this.hasLeft = true;
      this.socket.end();
    }, this.flood.plan.staysMs ?? 100);
    this.socket.once('close', () => clearTimeout(timer));
  }

  drop(bytes) {
    if (this.socket.destroyed || !this.socket.writable) return clearInterval(this.dripping);
    this.socket.write(bytes.subarray(this.dripped % bytes.length, (this.dripped % bytes.length) + 1));
    this.dripped++;
  }
}

process.on('message', ({ id, plan }) => {
  void new Flood(plan).run().then((result) => process.send({ id, ...result }));
});
process.on('disconnect', () => process.exit());
process.send({ isReady: true });
