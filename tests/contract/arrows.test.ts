import { readFile } from 'node:fs/promises'
import { glob } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'
import { test } from 'tap'

/** From the bottom to the top: a file may import what stands below it, and its own folder. `docs/architecture.md` explains the rooms. */
const SERVER_ORDER: readonly (readonly string[])[] = [
  ['server/errors.ts', 'server/emit-file.ts', 'server/flush-folder.ts', 'server/small-heap.ts'],
  ['server/schemas'],
  ['server/asn1', 'server/config', 'server/threads'],
  ['server/identity', 'server/roots'],
  ['server/policy', 'server/packages', 'server/keys', 'server/uploads'],
  ['server/signers', 'server/store'],
  ['server/operations'],
  ['server/http'],
  ['server/routes'],
  ['server/app.ts', 'server/admin.ts', 'server/stopping.ts'],
  ['server/configured.ts'],
  ['server/reload.ts'],
  ['server/in-force.ts'],
  ['server/process.ts', 'server/worker-thread.ts', 'server/development', 'server/key-commands'],
  ['server/banner.ts', 'server/emit-openapi.ts'],
  ['server/command.ts', 'server/compile-cache.ts'],
  ['server/main.ts'],
]

/** What each part of the product may import of the others. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  formats: [],
  certs: [],
  server: ['formats', 'certs'],
  sdk: ['formats'],
  cli: ['sdk'],
}

const FORBIDDEN_FOLDERS = /(^|\/)(utils?|common|helpers?|services?|misc|shared|lib)(\/|$)/

type Import = Readonly<{ from: string; to: string; typeOnly: boolean }>

const sources = (await Array.fromAsync(glob('{server,formats,sdk,cli,certs}/**/*.ts'))).sort()
const imports = (await Promise.all(sources.map(importsOf))).flat()

async function importsOf(from: string): Promise<readonly Import[]> {
  const source = ts.createSourceFile(from, await readFile(from, 'utf8'), ts.ScriptTarget.Latest, true)
  const found: Import[] = []
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier !== undefined && ts.isStringLiteral(specifier) && specifier.text.startsWith('.')) {
      found.push({ from, to: normalize(join(dirname(from), specifier.text)), typeOnly })
    }
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly ?? false)
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function partOf(file: string): string {
  return file.split('/')[0] ?? ''
}

function rankOf(file: string): number {
  return SERVER_ORDER.findIndex((rooms) => rooms.some((room) => file === room || file.startsWith(`${room}/`)))
}

function roomOf(file: string): string {
  return SERVER_ORDER.flat().find((room) => file === room || file.startsWith(`${room}/`)) ?? file
}

void test('the sources and their imports are found at all', async (t) => {
  t.ok(sources.length > 80, `${sources.length} sources`)
  t.ok(imports.length > 200, `${imports.length} imports`)
})

void test('each part of the product imports only the parts it may know', async (t) => {
  const wrong = imports.filter(({ from, to }) => partOf(from) !== partOf(to) && !PARTS[partOf(from)]?.includes(partOf(to)))
  t.strictSame(wrong, [])
})

void test('only the development set-up of the server knows the development certificates', async (t) => {
  const wrong = imports.filter(({ from, to }) => partOf(from) === 'server' && partOf(to) === 'certs' && !from.startsWith('server/development/'))
  t.strictSame(wrong, [])
})

void test('every file of the server has a place in the order', async (t) => {
  t.strictSame(sources.filter((file) => partOf(file) === 'server' && rankOf(file) === -1), [])
})

void test('imports inside the server point down or stay in their room', async (t) => {
  const inside = imports.filter(({ from, to }) => partOf(from) === 'server' && partOf(to) === 'server')
  const wrong = inside.filter(({ from, to }) => rankOf(to) > rankOf(from) || (rankOf(to) === rankOf(from) && roomOf(from) !== roomOf(to)))
  t.strictSame(wrong.map(({ from, to }) => `${from} → ${to}`), [])
})

void test('no file imports itself by way of others', async (t) => {
  const next = Map.groupBy(imports.filter(({ typeOnly }) => !typeOnly), ({ from }) => from)
  const cycles: string[] = []
  const done = new Set<string>()
  const walk = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) cycles.push([...trail.slice(trail.indexOf(file)), file].join(' → '))
    if (done.has(file) || trail.includes(file)) return
    for (const { to } of next.get(file) ?? []) walk(to, [...trail, file])
    done.add(file)
  }
  for (const file of sources) walk(file, [])
  t.strictSame(cycles, [])
})

void test('the product has no drawer folders', async (t) => {
  t.strictSame(sources.filter((file) => FORBIDDEN_FOLDERS.test(dirname(file))), [])
})
