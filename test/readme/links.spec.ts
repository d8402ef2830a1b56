import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { fromRoot, readText } from '../support/root.js';

const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'lib/README.md',
  'sample/README.md',
  'sample/000-two-services/README.md',
  'sample/010-streams-and-events/README.md',
];

it.each(DOCUMENTS)('the links of %s lead somewhere', (document) => {
  const text = readText(document);
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  const broken = links.filter((link) => !/^https?:/.test(link)).filter((link) => !leadsSomewhere(document, link));
  expect(broken).toEqual([]);
});

function leadsSomewhere(document: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? document : join(dirname(document), path);
  return existsSync(fromRoot(target)) && (anchor === undefined || anchorsOf(readText(target)).has(anchor));
}

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}
