/** The page's two faces, cut to what the page draws: a first visit fetches them whole. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import subsetFont from 'subset-font';

const PACKAGES = new URL('../node_modules/@fontsource-variable/', import.meta.url);
const FOLDER = new URL('../src/styles/fonts/', import.meta.url);
/** Weights in use; whoever asks for a heavier one gets the heaviest. */
const FACES = {
	'inter.woff2': { file: 'inter/files/inter-latin-wght-normal.woff2', wght: { min: 400, max: 650 } },
	'jetbrains-mono.woff2': { file: 'jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2', wght: 400 }
};
/** Those base.css asks for, and kerning. Ligatures of code would be half of the mono face and are off. */
const FEATURES = ['kern', 'tnum', 'cv05', 'ss03'];
/** What is in neither Latin alphabet nor here is drawn by a face of the system's. */
const CHARACTERS = `${between(0x20, 0x7e)}${between(0xa0, 0xff)}ıŒœ–—‘’“”•…′″‹›€™←↑→↓−≤≥≈`;

function between(first: number, last: number): string {
	return Array.from({ length: last - first + 1 }, (_, n) => String.fromCodePoint(first + n)).join('');
}

await mkdir(FOLDER, { recursive: true });
for (const [name, { file, wght }] of Object.entries(FACES)) {
	const whole = await readFile(new URL(file, PACKAGES));
	const cut = await subsetFont(whole, CHARACTERS, { targetFormat: 'woff2', variationAxes: { wght }, keepFeatures: FEATURES, noHinting: true });
	await writeFile(new URL(name, FOLDER), cut);
}
