/** Words of SQL by what they are, for colours: enough to read by, no parser. */

export type Kind = 'comment' | 'text' | 'word' | 'number' | 'param' | 'plain';

export interface Piece {
	kind: Kind;
	text: string;
}

const WORDS =
	'add alias all and any as asc between by case cast codec create cross cte default desc distinct else end engine exists final from full global group having if in index inner insert into interval is join left like limit materialized not null offset on or order outer over partition prewhere primary right sample select settings table then to ttl type union using values view when where with';
const KEYWORD = new Set(WORDS.split(' '));
const TOKEN = /(\/\*[\s\S]*?\*\/|--[^\n]*)|('(?:[^'\\]|\\.|'')*'?|`[^`]*`?)|(\{\w+:[^}]*\})|(\b\d[\d_.]*(?:e[+-]?\d+)?\b)|([A-Za-z_]\w*)|([\s\S])/gi;

export function pieces(sql: string): Piece[] {
	const found: Piece[] = [];
	for (const match of sql.matchAll(TOKEN)) {
		const [text, comment, quoted, param, number, word] = match;
		const kind = comment ? 'comment' : quoted ? 'text' : param ? 'param' : number ? 'number' : word && KEYWORD.has(word.toLowerCase()) ? 'word' : 'plain';
		const last = found.at(-1);
		if (last?.kind === kind) last.text += text;
		else found.push({ kind, text });
	}
	return found;
}
