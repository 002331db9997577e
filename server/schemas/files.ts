import { Type, type Static } from 'typebox'
import { ACCEPTABLE_FORMATS } from './format.ts'
import { refTo } from './reference.ts'

export const FileKind = Type.Enum(['root', 'file', 'directory', 'symlink', 'special'], { $id: 'FileKind', type: 'string', description: 'What the entry is; a link is not followed.' })
export type FileKind = Static<typeof FileKind>

export const FileEntry = Type.Object(
  {
    name: Type.String(),
    kind: refTo(FileKind),
    sizeBytes: Type.Integer({ minimum: 0 }),
    modifiedAt: Type.String({ format: 'date-time' }),
    format: Type.Union([Type.Enum([...ACCEPTABLE_FORMATS, 'toc'], { type: 'string' }), Type.Null()], {
      description: 'Recognised by content: `installp` package image, `toc` table of contents, another known format, `other`; null where there is no content to read.',
    }),
    signed: Type.Boolean({ description: 'Whether this file, with this size and modification time, was signed by path before.' }),
  },
  { $id: 'FileEntry', additionalProperties: false, description: 'One entry of a listing.' },
)
export type FileEntry = Static<typeof FileEntry>

export const FilesQuery = Type.Object(
  {
    path: Type.Optional(Type.String({ minLength: 1, maxLength: 4096, description: 'A directory or a file; without it the roots of this client by name.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 1000, description: 'How many entries to answer with at the most.' })),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 1024, pattern: '^[A-Za-z0-9_-]+$', description: '`nextCursor` of the answer before.' })),
  },
  { $id: 'FilesQuery', additionalProperties: false, description: 'What to list.' },
)
export type FilesQuery = Static<typeof FilesQuery>

export const FileList = Type.Object(
  {
    path: Type.Union([Type.String(), Type.Null()], { description: 'The path as the request named it; null for the list of roots.' }),
    files: Type.Array(refTo(FileEntry), { description: 'In name order.' }),
    nextCursor: Type.Union([Type.String(), Type.Null()], { description: 'Null on the last page.' }),
  },
  {
    $id: 'FileList',
    additionalProperties: false,
    description: 'One page of a listing.',
    examples: [
      {
        path: '/export/nim/lpp_source/installp/ppc',
        files: [{ name: 'PkgA.1.0.0.0.bff', kind: 'file', sizeBytes: 3584, modifiedAt: '2026-11-24T09:00:00.000Z', format: 'installp', signed: true }],
        nextCursor: null,
      },
    ],
  },
)
export type FileList = Static<typeof FileList>
