// Parses each file named on the command line with the tree-sitter grammar of
// PowerShell and prints where it does not understand it.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { dirname, join } from 'node:path';

const require = createRequire(join(process.env.PROVOST_NODE_MODULES, 'x.js'));
const { Parser, Language } = await import(pathToFileURL(require.resolve('web-tree-sitter')));
const grammar = join(dirname(require.resolve('tree-sitter-powershell/package.json')), 'tree-sitter-powershell.wasm');

await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(grammar));

let bad = 0;
for (const file of process.argv.slice(2)) {
  const walk = (node) => {
    if (node.isError || node.isMissing) {
      bad++;
      console.log(`${file}:${node.startPosition.row + 1}:${node.startPosition.column + 1}: ${node.text.slice(0, 80)}`);
      return;
    }
    node.children.forEach(walk);
  };
  const root = parser.parse(readFileSync(file, 'utf8')).rootNode;
  if (root.hasError) walk(root);
}
process.exit(bad === 0 ? 0 : 1);
