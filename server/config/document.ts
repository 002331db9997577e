import { COMMAND_EXAMPLE, EXAMPLE } from './example.ts'
import { PRINTABLE } from './schema-parts.ts'
import { ConfigFile } from './schema.ts'
import { markOf, type Node } from './take.ts'

type Properties = Readonly<Record<string, Node>>

/** Returns docs/configuration.md: an annotated example, then a table for each section, made from the schema. */
export function configurationPage(): string {
  const top = ConfigFile as Node
  const sections = Object.entries(top.properties as Properties).flatMap(([name, node]) => sectionsOf(name, node))
  return `${INTRODUCTION}\n## The file\n\n${table(top)}\n${sections.join('\n')}`
}

const INTRODUCTION = `<!-- Generated from server/config/schema.ts by \`npm run generate\`; do not edit. -->
# Configuration

The server reads one YAML file:

\`\`\`
signing-server start --config /etc/signing-server/signing-server.yaml
signing-server check-config --config /etc/signing-server/signing-server.yaml
\`\`\`

\`check-config\` reads the file, looks at every file it names, and starts nothing. Without \`--config\` the server makes a configuration
for development in \`var/\` and prints where.

## A complete example

\`\`\`yaml
${EXAMPLE}\`\`\`

With \`create_pkgsign\` (or a program that is called like it) in place of a key that the server holds:

\`\`\`yaml
${COMMAND_EXAMPLE}\`\`\`

## How it is read

- **Paths** are relative to the folder of the configuration file, not to the directory the server is started in. So is the path of a file in
  \`store.url\`. \`signer.passin\`, and a program in \`signer.command\` that has a slash, are absolute.
- **Secrets** never stand in the file: it names files that hold them. A file that anybody but its owner may read, write or execute
  is refused.
- **A section** that is left out, or left empty, has the defaults of its members. Only \`tls\`, \`roots\`, \`keys\` and \`clients\` must be there.
- **Unknown members** are refused at every level, so a misspelled limit is not a missing limit. So are aliases (\`*name\`), unknown tags,
  names given twice, and names of keys and roots that are not there.
- **Nothing is converted**: a number is no text and \`"6000"\` is no port. A keyid is text, so it stands in quotes.
- **Clients** are told apart by \`match\`: one subject alternative name of the certificate, exactly as \`openssl x509 -ext subjectAltName\`
  prints it (\`URI:…\`, \`DNS:…\`, \`email:…\`, \`IP Address:…\`), or the SHA-256 of its public key, which stays the same when the certificate
  is renewed with the same key. There are no wildcards and no patterns here, and case counts. When several clients match one certificate, the
  first in the file is meant. A client of the list may always call \`whoami\`, which tells it what it may do.
  What bounds a client, and how to box a credential for one job, is in [policy.md](policy.md).
- **An empty list denies**: \`allow: []\` means no operation, \`keys: []\` no key, \`roots: []\` no root.
- **Roots** may be nested: a client may name every file below a root of its own, and of several the innermost names the file. What the
  server itself writes must not lie inside a root, nor be a file that it reads.

## How faults look

Every fault is reported at once, each with its line:

\`\`\`
the configuration has 3 faults:
/etc/signing-server/signing-server.yaml:4: listen.prot: unknown member; known here are host, port, browserPort
/etc/signing-server/signing-server.yaml:11: tls.key: others may read /etc/signing-server/tls/server.key; chmod 600 it
/etc/signing-server/signing-server.yaml:31: clients[0].keys[0]: there is no key 1002
\`\`\`

Text that is not YAML comes first: until it is, only its own faults are reported. The exit status is 1.
`

function sectionsOf(place: string, node: Node): readonly string[] {
  if (node.anyOf !== undefined) return node.anyOf.flatMap((variant) => section(heading(place, variant), variant, place))
  if (node.items !== undefined) return sectionsOf(`${place}[]`, node.items)
  return node.properties === undefined ? [] : section(`\`${place}\``, node, place)
}

function heading(place: string, variant: Node): string {
  const { name, constant } = markOf(variant)
  return constant === undefined ? `\`${place}\` with \`${name}\`` : `\`${place}\` with \`${name}: ${constant}\``
}

function section(title: string, node: Node, place: string): readonly string[] {
  const below = Object.entries(node.properties as Properties).flatMap(([name, member]) => sectionsOf(`${place}.${name}`, member))
  return [`## ${title}\n\n${node.description}\n\n${table(node)}`, ...below]
}

function table({ properties, required = [] }: Node): string {
  const rows = Object.entries(properties as Properties).map(([name, member]) => `| \`${name}\` | ${typeOf(member)} | ${defaultOf(member, required.includes(name))} | ${cell(String(member.description))} |`)
  return ['| member | type | default | meaning |', '|---|---|---|---|', ...rows, ''].join('\n')
}

function typeOf(node: Node): string {
  if (node.const !== undefined) return `\`${node.const}\``
  if (node.enum !== undefined) return node.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (node.items !== undefined) return `list of ${node.items.properties !== undefined || node.items.anyOf !== undefined ? 'mappings' : typeOf(node.items)}`
  if (node.patternProperties !== undefined) return 'mapping of text'
  if (node.pathRole !== undefined) return `path of a ${node.pathRole === 'directory' ? 'directory' : 'file'}`
  if (node.type === 'integer') return `${node.minimum} … ${node.maximum === Number.MAX_SAFE_INTEGER ? '2⁵³ − 1' : node.maximum}`
  if (node.type !== 'string') return 'mapping'
  return node.pattern === PRINTABLE ? 'text' : `text like \`${cell(String(node.pattern))}\``
}

function defaultOf({ default: value, patternProperties }: Node, required: boolean): string {
  if (value === undefined) return required ? 'must be given' : 'none'
  const text = JSON.stringify(value)
  if (text !== '{}') return `\`${text.replaceAll('"', '')}\``
  return patternProperties === undefined ? 'the defaults' : 'empty'
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
