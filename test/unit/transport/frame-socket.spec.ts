import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { describe, expect, it, onTestFinished, vi } from 'vitest';

import type { RookeryError } from '../../../lib/core/errors.js';
import { FrameSocket, type FrameSocketOwner } from '../../../lib/transport/frame-socket.js';
import { TRANSPORT_LIMITS, type TransportLimits } from '../../../lib/transport/limits.js';
import { FrameType } from '../../../lib/wire/frame.js';
import { frame, RawPeer } from '../../wire/support/raw-peer.js';
import { eventually, pause } from './support.js';

const MIB = 1024 * 1024;

class Owner implements FrameSocketOwner {
  errors: RookeryError[] = [];
  events: string[] = [];
  closedWith: Error | undefined;
  types: number[] = [];

  onFrame(type: number): void {
    this.types.push(type);
  }
  onProtocolError(error: RookeryError): void {
    this.errors.push(error);
  }
  onSendBufferFull(): void {
    this.events.push('full');
  }
  onDrained(): void {
    this.events.push('drained');
  }
  onSocketClosed(error: Error | undefined): void {
    this.events.push('closed');
    this.closedWith = error;
  }
}

async function pair(
  limits: Partial<TransportLimits> = {},
): Promise<{ link: FrameSocket; owner: Owner; other: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  const [[other]] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, once(socket, 'connect')]);
  other.on('error', () => undefined);
  onTestFinished(() => {
    socket.destroy();
    other.destroy();
    server.close();
  });
  const owner = new Owner();
  const link = new FrameSocket(socket, owner, { ...TRANSPORT_LIMITS, ...limits });
  link.writer.maxPayloadBytes = Infinity;
  return { link, owner, other };
}

function write(link: FrameSocket, bytes: number): void {
  const start = link.writer.begin(FrameType.REPLY, 0, 0, 1);
  link.writer.raw(Buffer.alloc(bytes));
  link.writer.end(start);
  link.flush();
}

describe('FrameSocket', () => {
  it('sends what was written during one tick, and its promise jobs, as one write', async () => {
    const { link, other } = await pair();
    const peer = new RawPeer(other);
    const writes = vi.spyOn(link.socket, 'write');
    for (let token = 0; token < 100; token++) {
      link.writer.bare(FrameType.PING, 0, token);
      link.flushSoon();
    }
    await Promise.resolve();
    link.writer.bare(FrameType.PING, 0, 100);
    link.flushSoon();
    await eventually(() => peer.frames.length === 101);
    expect(writes).toHaveBeenCalledTimes(1);
  });

  it('does not wait for the end of the tick with more than 64 KiB', async () => {
    const { link } = await pair();
    const writes = vi.spyOn(link.socket, 'write');
    link.writer.raw(Buffer.alloc(64 * 1024));
    link.flushSoon();
    expect(writes).toHaveBeenCalledTimes(1);
  });

  it('never changes bytes that the socket still holds', async () => {
    const { link, other } = await pair();
    const peer = new RawPeer(other);
    other.pause();
    for (let index = 0; index < 200; index++) {
      const start = link.writer.begin(FrameType.REPLY, 0, 0, index);
      link.writer.raw(Buffer.alloc(100_000, index));
      link.writer.end(start);
      link.flush();
    }
    expect(link.socket.writableLength).toBeGreaterThan(0);
    other.resume();
    await eventually(() => peer.frames.length === 200);
    for (const { callId, payload } of peer.frames) expect(payload.equals(Buffer.alloc(100_000, callId))).toBe(true);
  });

  it('tells its owner of a full send buffer, and when all of it was taken', async () => {
    const { link, owner, other } = await pair({ maxSendBufferBytes: MIB });
    other.pause();
    for (let sent = 0; sent < 40 && !link.isBackedUp; sent++) write(link, MIB);
    expect(link.isBackedUp).toBe(true);
    expect(owner.events).toEqual(['full']);
    other.resume();
    await eventually(() => !link.isBackedUp);
    expect(owner.events).toEqual(['full', 'drained']);
  });

  it('reads nothing while it waits for the peer to take what was written', async () => {
    const { link, owner, other } = await pair({ maxSendBufferBytes: MIB });
    owner.onSendBufferFull = () => link.pauseUntilDrained();
    const peer = new RawPeer(other);
    other.pause();
    for (let sent = 0; sent < 40 && !link.isBackedUp; sent++) write(link, MIB);
    peer.send(Buffer.from('ROOKERY\x01'), frame(FrameType.PING));
    await pause(30);
    expect([link.isPaused, owner.types]).toEqual([true, []]);
    other.resume();
    await eventually(() => owner.types.length === 1);
    expect(link.isPaused).toBe(false);
  });

  it('cuts a peer that has taken nothing for too long', async () => {
    const { link, owner, other } = await pair({ sendStallMs: 100 });
    other.pause();
    for (let sent = 0; sent < 24; sent++) write(link, MIB);
    await pause(30);
    for (const now of [0, 50, 99]) link.checkStall(now);
    expect(link.isOpen).toBe(true);
    link.checkStall(100);
    await eventually(() => owner.events.includes('closed'));
    expect(owner.closedWith).toMatchObject({ reason: 'CONNECTION_LOST' });
    expect(owner.closedWith?.message).toContain('100 ms');
  });

  it('keeps a peer that takes one large write slowly', async () => {
    const { link, other } = await pair({ sendStallMs: 100 });
    other.pause();
    write(link, 40 * MIB);
    await pause(30);
    for (let now = 0; now <= 300; now += 50) {
      link.checkStall(now);
      const before = other.bytesRead;
      other.resume();
      await eventually(() => other.bytesRead > before + 2 * MIB);
      other.pause();
      await pause(10);
    }
    expect(link.socket.writableLength).toBeGreaterThan(0);
    expect(link.isOpen).toBe(true);
  });

  it('does not count the time in which there was nothing to take', async () => {
    const { link, other } = await pair({ sendStallMs: 100 });
    link.checkStall(0);
    link.checkStall(10_000);
    other.pause();
    for (let sent = 0; sent < 24; sent++) write(link, MIB);
    await pause(30);
    link.checkStall(10_050);
    link.checkStall(10_149);
    expect(link.isOpen).toBe(true);
  });

  it('hears nothing more after a protocol error, and says what it had to say before it closes', async () => {
    const { link, owner, other } = await pair();
    const peer = new RawPeer(other);
    owner.onProtocolError = (error) => {
      owner.errors.push(error);
      link.writer.bare(FrameType.GOAWAY, 1, 0);
      link.fail(error);
    };
    peer.send(Buffer.from('ROOKERY\x01'), frame(FrameType.PING), Buffer.alloc(12, 0xff), frame(FrameType.PONG));
    await peer.next(FrameType.GOAWAY);
    peer.send(frame(FrameType.PONG));
    await peer.closed;
    expect(owner.types).toEqual([FrameType.PING]);
    expect(owner.errors.map(({ reason }) => reason)).toEqual(['FRAME_TOO_LARGE']);
    await eventually(() => owner.events.includes('closed'));
    expect(owner.closedWith).toBe(owner.errors[0]);
  });

  it('takes a bug in the reader of its frames for a protocol error, not for the end of the process', async () => {
    const { owner, other } = await pair();
    owner.onFrame = () => {
      throw new TypeError('a bug');
    };
    other.write(Buffer.concat([Buffer.from('ROOKERY\x01'), frame(FrameType.PING)]));
    await eventually(() => owner.errors.length === 1);
    expect(owner.errors[0]).toMatchObject({ reason: 'FRAME_MALFORMED', cause: expect.any(TypeError) });
  });

  it('is gone a second after its end, also where the peer never closes its side', async () => {
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, allowHalfOpen: true });
    const [[other]] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, once(socket, 'connect')]);
    onTestFinished(() => {
      other.destroy();
      server.close();
    });
    const owner = new Owner();
    const started = performance.now();
    new FrameSocket(socket, owner, TRANSPORT_LIMITS).end();
    await eventually(() => owner.events.includes('closed'));
    expect(performance.now() - started).toBeGreaterThan(900);
  });
});
