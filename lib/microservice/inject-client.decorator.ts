import { Inject } from '@nestjs/common';

/**
 * The injection token of a client of `RookeryModule.forClients`.
 *
 * @publicApi
 */
export function getClientToken(service: string): string {
  return `nestjs-rookery.client:${service}`;
}

/**
 * Injects the client of a service, typed `ClientProxy` or `RookeryClient`.
 *
 * @publicApi
 */
export function InjectClient(service: string): ParameterDecorator & PropertyDecorator {
  return Inject(getClientToken(service));
}
