import { Type } from 'typebox'
import { ACCEPTABLE_FORMATS } from '../schemas/format.ts'
import { OPERATIONS } from '../schemas/whoami.ts'
import { closed, keyid, name, optionalPositive, positive, time } from './schema-parts.ts'

/** How a pattern for names of filesets is spelled: the characters of such a name, and `*`, never two side by side. docs/policy.md has the grammar. */
const FILESET_PATTERN = '^(?!.*\\*\\*)[A-Za-z0-9._+*-]{1,144}$'

const Rate = closed(
  {
    windowSeconds: positive(60, 'Length of the window of time, which begins with the first request after the last one ended.', 86_400),
    requests: optionalPositive('How many requests it may make within it.', 1_000_000_000),
    bytes: optionalPositive('How many bytes it may send, and have read from the roots, within it. A request is let in as long as anything is left; what it costs beyond that is paid by the windows that follow.', 1_000_000_000_000),
  },
  'How much a client may ask for in a window of time; each replica counts for itself.',
)

/** A client of the configuration. */
export const Client = closed(
  {
    name: name('How log and catalogue call it.'),
    match: Type.Union(
      [
        closed({ san: Type.String({ pattern: '^(?:URI|DNS|email|IP Address):.+$', description: 'A subject alternative name, exactly: `URI:…`, `DNS:…`, `email:…`, `IP Address:…`.' }) }, 'By name.'),
        closed({ spkiSha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the DER SubjectPublicKeyInfo, hexadecimal.' }) }, 'By public key.'),
      ],
      { description: 'Which certificate it is: `san` or `spkiSha256`, compared exactly.' },
    ),
    allow: Type.Array(Type.Enum(OPERATIONS, { type: 'string' }), { uniqueItems: true, description: 'Operations it may call. Empty: none.' }),
    keys: Type.Array(keyid('A keyid.'), { uniqueItems: true, description: 'Keys it may use. Empty: none.' }),
    roots: Type.Array(name('A root.'), { uniqueItems: true, description: 'Roots it may name files in. Empty: none.' }),
    digestOnly: Type.Boolean({ default: false, description: 'Whether it may have a digest signed whose file the server never saw.' }),
    resign: Type.Boolean({ default: false, description: 'Whether it may have other content signed under a fileset level that was signed before, by saying so in the request.' }),
    sees: Type.Enum(['own', 'all'], { type: 'string', default: 'own', description: 'Whose signatures it may look up, and be told the client of.' }),
    formats: Type.Optional(
      Type.Array(Type.Enum(ACCEPTABLE_FORMATS, { type: 'string' }), { uniqueItems: true, description: 'Formats it may have signed, of those in `formats.accept`. Empty: none. Default: all of those. A digest without `package` is `other`.' }),
    ),
    filesets: Type.Optional(
      Type.Array(Type.String({ pattern: FILESET_PATTERN, description: 'A name, or a pattern with `*`.' }), {
        uniqueItems: true,
        description: 'Filesets it may have signed: names in which `*` stands for any run of characters. Every fileset of a package must fit one of them, and what has no filesets is refused. Empty: none. Default: any.',
      }),
    ),
    maxFileBytes: optionalPositive('Largest file it may have signed or verified, or, where there is a digest alone, that it says it has. Default: `limits.fileBytes`.'),
    rate: Type.Optional(Rate),
    concurrency: optionalPositive('How many of its requests may run at once; one more is answered CLIENT_BUSY. Default: any number.', 100_000),
    notBefore: Type.Optional(time('It may do nothing earlier.')),
    notAfter: Type.Optional(time('It may do nothing from then on.')),
    maxSignatures: optionalPositive('How many signatures may be made for this name in all, ever: those of the catalogue count. What was signed before and is handed out again does not. Default: any number.', 100_000),
  },
  'A client and what it may do.',
)
