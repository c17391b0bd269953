//! Names of people: everyday ones and those of science.

/// First names.
#[rustfmt::skip]
pub(super) static ENGLISH_FIRST: &[&str] = &[
    "ada", "agnes", "alan", "albert", "alfred", "alice", "amelia", "andrew", "anna", "arthur", "audrey",
    "barbara", "basil", "beatrice", "benjamin", "bernard", "bridget", "cecil", "charles", "charlotte",
    "clara", "clive", "cora", "daisy", "daniel", "david", "dorothy", "duncan", "edgar", "edith", "edmund",
    "edward", "eleanor", "eliza", "elsie", "emily", "emma", "ernest", "esther", "eva", "florence",
    "frances", "frederick", "george", "gerald", "grace", "harold", "harriet", "hazel", "helen", "henry",
    "hugh", "ida", "irene", "isaac", "ivy", "jack", "jane", "joan", "john", "julia", "kate", "laura",
    "lewis", "lily", "lucy", "mabel", "martha", "martin", "mary", "matilda", "maurice", "nancy", "nathan",
    "nora", "oliver", "oscar", "patrick", "peter", "philip", "rachel", "ralph", "robert", "rose", "rupert",
    "ruth", "samuel", "sarah", "simon", "sophie", "stella", "susan", "sybil", "theodore", "thomas", "vera",
    "victor", "violet", "walter", "winifred",
];

/// Surnames.
#[rustfmt::skip]
pub(super) static ENGLISH_LAST: &[&str] = &[
    "abbott", "adams", "allen", "archer", "atkins", "bailey", "baker", "barker", "barlow", "barnes",
    "bates", "bell", "bennett", "bishop", "black", "blake", "bowen", "bradley", "brewer", "brooks", "brown",
    "burton", "butler", "carter", "chambers", "chapman", "clarke", "coleman", "collins", "cook", "cooper",
    "cox", "crawford", "cross", "curtis", "dawson", "dean", "dixon", "doyle", "drake", "dunn", "edwards",
    "elliott", "ellis", "evans", "farmer", "field", "fisher", "fletcher", "foster", "fowler", "fox",
    "franklin", "freeman", "gardner", "gibson", "gilbert", "glover", "goodwin", "gordon", "graham", "grant",
    "gray", "green", "griffin", "hall", "hamilton", "hardy", "harper", "harris", "hart", "harvey",
    "hawkins", "hayes", "higgins", "hill", "holmes", "hopkins", "howard", "hudson", "hughes", "hunt",
    "hunter", "ingram", "irwin", "jackson", "james", "jarvis", "jenkins", "jennings", "johnson", "jones",
    "kelly", "kemp", "kennedy", "king", "knight", "lambert", "lane", "lawson", "lee", "lloyd", "logan",
    "long", "lowe", "marsh", "marshall", "mason", "matthews", "miller", "mills", "mitchell", "moore",
    "morgan", "morris", "murray", "nash", "newton", "nichols", "norris", "norton", "oakley", "osborne",
    "owen", "palmer", "parker", "parsons", "payne", "pearce", "perry", "phillips", "porter", "potter",
    "powell", "price", "quinn", "randall", "reed", "reeves", "reynolds", "rhodes", "rice", "richards",
    "riley", "roberts", "rogers", "ross", "rowe", "russell", "sanders", "saunders", "sawyer", "scott",
    "shaw", "shepherd", "simmons", "sinclair", "slater", "smith", "spencer", "stephens", "stevens",
    "stewart", "stone", "sutton", "swift", "taylor", "thornton", "todd", "townsend", "tucker", "turner",
    "tyler", "underwood", "vaughan", "vincent", "wade", "walker", "wallace", "walsh", "walton", "ward",
    "warner", "watkins", "watson", "weaver", "webb", "webster", "wells", "west", "wheeler", "white",
    "wilkins", "williams", "willis", "winter", "wood", "woodward", "wright", "yates", "young",
];

/// Scientists, by surname.
#[rustfmt::skip]
pub(super) static SCIENTISTS: &[&str] = &[
    "ampere", "archimedes", "avogadro", "babbage", "becquerel", "bernoulli", "bohr", "boltzmann", "bose",
    "boyle", "brahe", "cantor", "carnot", "carver", "cassini", "chandrasekhar", "copernicus", "coulomb",
    "crick", "curie", "dalton", "darwin", "descartes", "dirac", "einstein", "euclid", "euler", "faraday",
    "fermat", "fermi", "feynman", "fleming", "fourier", "franklin", "galileo", "gauss", "germain", "goedel",
    "goodall", "halley", "hamilton", "hawking", "heisenberg", "herschel", "hertz", "hilbert", "hodgkin",
    "hooke", "hopper", "hubble", "huygens", "joule", "kelvin", "kepler", "khwarizmi", "kovalevskaya",
    "lamarr", "laplace", "lavoisier", "leibniz", "linnaeus", "lovelace", "maxwell", "meitner", "mendel",
    "mendeleev", "newton", "noether", "ohm", "pascal", "pasteur", "pauli", "pauling", "planck", "poincare",
    "ptolemy", "raman", "ramanujan", "rutherford", "sagan", "salk", "schrodinger", "shannon", "tesla",
    "torricelli", "turing", "volta", "watt", "wien", "wu", "yukawa",
];
