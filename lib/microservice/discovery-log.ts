import type { DiscoveryEvent } from '../discovery/discovery-event.js';

/** What is written to a log. */
export interface LogLine {
  readonly level: 'log' | 'warn';
  readonly text: string;
}

/** What an operator is told of a service that is followed, and what to do about it. The events are rare by construction. */
export function discoveryLogLine(event: DiscoveryEvent): LogLine {
  const { serviceName, registry } = event;
  const where = `"${serviceName}" in ${registry}`;
  switch (event.type) {
    case 'registry-lost':
      return warn(
        `${where}: the registry does not answer (${event.error.message}); ${event.kept} known instances stay in use. Check that it runs and can be reached.`,
      );
    case 'registry-recovered':
      return { level: 'log', text: `${where}: the registry answers again` };
    case 'snapshot-used': {
      const since = new Date(event.savedAtMs).toISOString();
      return warn(
        `${where}: started from the last good list of ${since}, ${event.instances} instances, as the registry does not answer`,
      );
    }
    case 'records-refused': {
      const examples = event.examples.map(({ instance, problem }) => `${instance}: ${problem}`).join('; ');
      return warn(`${where}: ${event.count} records are not used. Correct or remove them: ${examples}`);
    }
    case 'list-held':
      return warn(
        `${where}: the list shrank to ${event.listed}; ${event.held} instances that are gone from it stay in use while they answer`,
      );
    case 'hold-ended':
      return {
        level: 'log',
        text: `${where}: the list is the registry's again; ${event.dropped} instances did not answer and were dropped`,
      };
  }
}

function warn(text: string): LogLine {
  return { level: 'warn', text };
}
