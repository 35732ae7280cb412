import type { Spelling } from './search.ts';

/** A text as others might write it, by other means than those of the search: between other text, where that matters. */
export function spelled(spelling: Spelling, text: string): Buffer[] {
  switch (spelling) {
    case 'plain':
      return [Buffer.from(text)];
    case 'hex, small':
      return [Buffer.from(codes(text, (code) => code.toString(16).padStart(2, '0')))];
    case 'hex, capital':
      return [Buffer.from(codes(text, (code) => code.toString(16).padStart(2, '0')).toUpperCase())];
    case 'base64':
      return ['', 'x', 'xy'].map((before) => Buffer.from(btoa(`${before}${text}z`)));
    case 'base64url':
      return ['', 'x', 'xy'].map((before) => Buffer.from(Buffer.from(`${before}${text}z`).toString('base64url')));
    case 'in a URL':
      return [Buffer.from(new URLSearchParams({ key: text }).toString())];
    case 'every byte in a URL':
      return [Buffer.from(codes(text, (code) => `%${code.toString(16).toUpperCase().padStart(2, '0')}`))];
    case 'in JSON':
      return [Buffer.from(JSON.stringify({ text: `"${text}\n` }))];
    case 'UTF-16':
      return [
        Buffer.from(
          codes(text, (code) => `${String.fromCharCode(code)}\0`),
          'latin1',
        ),
      ];
    case 'reversed':
      return [Buffer.from(Array.from(text).reverse().join(''))];
  }
}

function codes(text: string, write: (code: number) => string): string {
  return Array.from(text, (character) => write(character.charCodeAt(0))).join('');
}
