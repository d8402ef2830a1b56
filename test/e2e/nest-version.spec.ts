import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { callingNestPackage, commonFolder, majorOf, nestMajor, versionSeenFrom } from '../support/nest-version.js';

const expected = Number(process.env['ROOKERY_EXPECTED_NEST']);

it('runs on the Nest that the project names', () => {
  expect(nestMajor).toBe(expected);
});

it("and so does every package of Nest's that the others load", async () => {
  const core = await coreFolder();
  const seen = ['common', 'core', 'microservices', 'platform-express', 'testing'].map((name) => [
    name,
    majorOf(versionSeenFrom(core, `@nestjs/${name}`)),
  ]);
  expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(seen.map(([name]) => [name, expected])));
});

it('has one copy of @nestjs/common: the one the tests import is the one that core works with', async () => {
  const core = await coreFolder();
  expect(core.replace(/core$/, 'common')).toBe(commonFolder());
});

it.each(['rxjs', 'reflect-metadata'])('shares one copy of %s with Nest', async (name) => {
  const theirs = createRequire(`${await coreFolder()}/package.json`).resolve(name);
  expect(theirs).toBe(createRequire(import.meta.url).resolve(name));
});

/** The folder of the `@nestjs/core` in use: its injector calls the factory. */
async function coreFolder(): Promise<string> {
  @Module({ providers: [{ provide: 'folder', useFactory: callingNestPackage }] })
  class Probe {}
  const context = await NestFactory.createApplicationContext(Probe, { logger: false });
  const folder = context.get<string>('folder');
  await context.close();
  return folder;
}
