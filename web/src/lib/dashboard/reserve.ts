/** How high a panel will be, before its answer is there: what stands under it need not jump then. */
import type { Panel } from './types.ts';

/** Lines of a sentence, and of a legend with the room under it. */
const LINE = 19;
const LEGEND = 20;
/** A figure, as a stat shows it. */
const FIGURE = 28;
/** The sentence of a chart, with what lies between it and the picture. */
const HEAD = 28;
/** A table is as high as it may be: it scrolls from there on. */
const TABLE = 40;
/** Columns of twelve: in so few a sentence takes two lines, and a legend one more. */
const NARROW = 5;

/** Of what stands under a panel's title, in px; `height` is the one that its row asks for. */
export function reserved({ kind, by, width, description }: Pick<Panel, 'kind' | 'by' | 'width' | 'description'>, height: number): number {
	if (kind === 'stat') return FIGURE + (description ? LINE : 0);
	if (kind === 'table') return height + TABLE;
	const narrow = width <= NARROW;
	const legend = kind === 'gauge' ? 0 : by && kind !== 'heatmap' ? (narrow ? 3 : 2) : 1;
	return HEAD + (narrow && description ? LINE : 0) + height + legend * LEGEND;
}
