-- The demo catalogue of `make run`: 216 products in 8 categories, prices in EUR, USD and JPY, with
-- stock. Loading it again changes nothing. Prices are in minor units: cents, and whole yen.
--
-- Each category has nine articles, and each article comes in the three kinds of its category.
BEGIN;

CREATE TEMP TABLE demo_kind (category text, suffix text, label text, price_percent int, stock int)
    ON COMMIT DROP;
INSERT INTO demo_kind VALUES
    ('coffee',     '250g',      '250 g',           100, 180),
    ('coffee',     '500g',      '500 g',           190, 120),
    ('coffee',     '1kg',       '1 kg',            360, 60),
    ('tea',        'tin',       'tin of 80 g',     100, 90),
    ('tea',        'pouch',     'pouch of 200 g',  220, 70),
    ('tea',        'sampler',   'sampler of 20 g', 35,  200),
    ('kitchen',    'small',     'small',           100, 75),
    ('kitchen',    'medium',    'medium',          135, 60),
    ('kitchen',    'large',     'large',           170, 40),
    ('books',      'paperback', 'paperback',       100, 110),
    ('books',      'hardcover', 'hardcover',       185, 45),
    ('books',      'signed',    'signed copy',     320, 6),
    ('stationery', 'black',     'black',           100, 300),
    ('stationery', 'indigo',    'indigo',          100, 240),
    ('stationery', 'vermilion', 'vermilion',       115, 90),
    ('outdoor',    'green',     'moss green',      100, 50),
    ('outdoor',    'orange',    'signal orange',   100, 35),
    ('outdoor',    'grey',      'granite grey',    108, 42),
    ('garden',     'single',    'one piece',       100, 150),
    ('garden',     'pair',      'set of two',      185, 80),
    ('garden',     'five',      'set of five',     430, 25),
    ('audio',      'white',     'white',           100, 65),
    ('audio',      'walnut',    'walnut',          125, 20),
    ('audio',      'graphite',  'graphite',        104, 55);

CREATE TEMP TABLE demo_article (
    category text, slug text, name text, description text, price_minor bigint, currency text)
    ON COMMIT DROP;
INSERT INTO demo_article VALUES
    ('coffee', 'yirgacheffe',     'Yirgacheffe washed',       'Light roast from Ethiopia: jasmine, lemon, black tea.',               1190, 'EUR'),
    ('coffee', 'huila',           'Huila Supremo',            'Medium roast from Colombia: caramel, red apple, cocoa.',              1050, 'EUR'),
    ('coffee', 'antigua',         'Antigua estate',           'Medium roast from Guatemala: dark chocolate and orange.',             1090, 'EUR'),
    ('coffee', 'sidamo-natural',  'Sidamo natural',           'Dried in the fruit: blueberry, honey, a winey finish.',               1290, 'EUR'),
    ('coffee', 'cerrado',         'Cerrado natural',          'Brazilian all-rounder: hazelnut, milk chocolate, low acidity.',       890,  'EUR'),
    ('coffee', 'mandheling',      'Mandheling',               'Sumatra, wet-hulled: cedar, tobacco, a heavy body.',                  1140, 'EUR'),
    ('coffee', 'kirinyaga-aa',    'Kirinyaga AA',             'Kenya: blackcurrant, grapefruit, sparkling acidity.',                 1490, 'EUR'),
    ('coffee', 'house-espresso',  'House espresso',           'Our blend for the machine: thick crema, cocoa, almond.',              990,  'EUR'),
    ('coffee', 'decaf-mexico',    'Decaf Mexico',             'Decaffeinated with water only; nougat and dried fig.',                1150, 'EUR'),

    ('tea', 'gyokuro-uji',        'Gyokuro from Uji',         'Shaded for three weeks: broth, seaweed, sweetness.',                  3800, 'JPY'),
    ('tea', 'sencha-spring',      'Spring sencha',            'First flush of the year, lightly steamed.',                           1600, 'JPY'),
    ('tea', 'genmaicha',          'Genmaicha',                'Green tea with roasted rice; good with a late lunch.',                1100, 'JPY'),
    ('tea', 'hojicha',            'Hojicha',                  'Roasted over charcoal: toast, caramel, hardly any caffeine.',         1200, 'JPY'),
    ('tea', 'matcha-ceremonial',  'Matcha, ceremonial',       'Stone-ground, for whisking; bright green and creamy.',                4200, 'JPY'),
    ('tea', 'oolong-dongding',    'Dong Ding oolong',         'Half oxidised, from Taiwan: orchid and roasted nuts.',                2400, 'JPY'),
    ('tea', 'darjeeling-first',   'Darjeeling first flush',   'Muscatel and fresh hay, from one garden.',                            2900, 'JPY'),
    ('tea', 'assam-tippy',        'Assam, golden tips',       'Malty and strong; it takes milk well.',                               1500, 'JPY'),
    ('tea', 'soba-cha',           'Buckwheat tea',            'No leaf at all: roasted buckwheat, free of caffeine.',                900,  'JPY'),

    ('kitchen', 'steel-pan',      'Carbon steel pan',         'Blue steel, 3 mm, for every heat source. It rusts if you let it.',    4900, 'EUR'),
    ('kitchen', 'stock-pot',      'Stock pot',                'Stainless steel with a bottom of three layers, lid included.',        6900, 'EUR'),
    ('kitchen', 'olive-board',    'Olive wood board',         'Cut from one piece; no two look alike.',                              3400, 'EUR'),
    ('kitchen', 'stone-mortar',   'Granite mortar',           'Heavy enough to stay where it is. With pestle.',                      4200, 'EUR'),
    ('kitchen', 'mixing-bowl',    'Stoneware mixing bowl',    'Glazed inside, bare outside, with a spout.',                          2800, 'EUR'),
    ('kitchen', 'chef-knife',     'Chef''s knife',            'Carbon steel, hand-ground, walnut handle.',                           8900, 'EUR'),
    ('kitchen', 'linen-towel',    'Linen towel',              'Woven in Westphalia; softer with every wash.',                        1600, 'EUR'),
    ('kitchen', 'bread-tin',      'Bread tin',                'Folded blue steel without a seam that could leak.',                   2600, 'EUR'),
    ('kitchen', 'salt-cellar',    'Salt cellar',              'Beech, with a lid that swings aside.',                                1900, 'EUR'),

    ('books', 'tidal-atlas',      'An Atlas of Tides',        'Twelve coasts, drawn twice: at high water and at low.',               2400, 'USD'),
    ('books', 'slow-bread',       'Slow Bread',               'Forty loaves that need three days and no kneading.',                  2900, 'USD'),
    ('books', 'night-trains',     'Night Trains of Europe',   'Timetables, sleeping cars, and what is served for breakfast.',        2200, 'USD'),
    ('books', 'moss-field-guide', 'Mosses: A Field Guide',    'With a hand lens bound into the cover.',                              2700, 'USD'),
    ('books', 'clock-repair',     'Clocks, Taken Apart',      'Repairing mechanical clocks with eleven tools.',                      3100, 'USD'),
    ('books', 'harbour-stories',  'Harbour Stories',          'Nine stories about people who wait for ships.',                       1700, 'USD'),
    ('books', 'quiet-machines',   'Quiet Machines',           'A history of things built to be overheard.',                          2300, 'USD'),
    ('books', 'letters-north',    'Letters from the North',   'A winter on Svalbard, told in forty letters.',                        1900, 'USD'),
    ('books', 'maps-by-hand',     'Maps by Hand',             'How to survey your own neighbourhood with string and paper.',         2600, 'USD'),

    ('stationery', 'notebook-a5', 'Notebook A5, dotted',      'Thread-bound, opens flat, 192 numbered pages.',                       1800, 'JPY'),
    ('stationery', 'notebook-a6', 'Pocket notebook A6',       'For the back pocket; rounded corners, 96 pages.',                     900,  'JPY'),
    ('stationery', 'fountain-pen','Fountain pen',             'Steel nib, fine; fills from a bottle or a cartridge.',                5400, 'JPY'),
    ('stationery', 'ink-bottle',  'Bottle of ink, 50 ml',     'Dries fast and does not feather on cheap paper.',                     1500, 'JPY'),
    ('stationery', 'brush-pen',   'Brush pen',                'For lettering; the tip keeps its point.',                             700,  'JPY'),
    ('stationery', 'pencil-set',  'Twelve pencils',           'Cedar, 2H to 4B, in a tin.',                                          2200, 'JPY'),
    ('stationery', 'washi-tape',  'Washi tape',               'Fifteen millimetres wide, leaves no trace.',                          400,  'JPY'),
    ('stationery', 'desk-mat',    'Felt desk mat',            'Wool felt with a cork back, 80 by 40 cm.',                            3600, 'JPY'),
    ('stationery', 'pen-case',    'Canvas pen case',          'Holds seven pens apart from each other.',                             2600, 'JPY'),

    ('outdoor', 'day-pack',       'Day pack, 22 litres',      'Waxed cotton, one big pocket, one small.',                            8900, 'USD'),
    ('outdoor', 'rain-shell',     'Rain shell',               'Three layers, taped seams, packs into its own hood.',                 17900,'USD'),
    ('outdoor', 'wool-blanket',   'Wool camp blanket',        'Two metres by one and a half; warm when wet.',                        9900, 'USD'),
    ('outdoor', 'tarp-3x3',       'Tarp, three by three',     'With sixteen loops; four people sit dry below it.',                   7400, 'USD'),
    ('outdoor', 'headlamp',       'Headlamp',                 'Charges by USB-C; red light for the map.',                            4500, 'USD'),
    ('outdoor', 'dry-bag',        'Dry bag, 10 litres',       'Roll top, welded, floats.',                                           2400, 'USD'),
    ('outdoor', 'trail-cup',      'Enamel trail cup',         'Goes on the fire; the handle stays a little cooler.',                 1400, 'USD'),
    ('outdoor', 'hammock',        'Travel hammock',           'Weighs 400 grams and carries 180 kilograms.',                         6900, 'USD'),
    ('outdoor', 'sit-pad',        'Folding sit pad',          'For cold rocks and wet benches.',                                     1600, 'USD'),

    ('garden', 'hand-trowel',     'Hand trowel',              'Forged, ash handle, depth marks up to 15 cm.',                        2400, 'EUR'),
    ('garden', 'clay-pot',        'Clay pot, 20 cm',          'Unglazed, survives frost, with saucer.',                              1500, 'EUR'),
    ('garden', 'watering-can',    'Watering can, 5 litres',   'Galvanised, with a brass rose.',                                      3900, 'EUR'),
    ('garden', 'seed-box',        'Seed box',                 'Oak, twelve compartments, one for each month.',                       4400, 'EUR'),
    ('garden', 'bird-house',      'Bird house',               'Larch, 28 mm entrance: for blue tits.',                               2900, 'EUR'),
    ('garden', 'bee-hotel',       'Bee hotel',                'Drilled hardwood, cleanly cut, as wild bees like it.',                3300, 'EUR'),
    ('garden', 'bean-poles',      'Bean poles',               'Hazel, two metres, from a coppiced wood.',                            1200, 'EUR'),
    ('garden', 'pruning-shears',  'Pruning shears',           'Bypass blade; every part can be replaced.',                           4800, 'EUR'),
    ('garden', 'rain-gauge',      'Rain gauge',               'Glass in a copper holder; reads to the millimetre.',                  2200, 'EUR'),

    ('audio', 'desk-speaker',     'Desk speaker',             'Full range, line in and Bluetooth, no app needed.',                   12900,'USD'),
    ('audio', 'headphones',       'Closed headphones',        'Replaceable cable and pads; folds flat.',                             15900,'USD'),
    ('audio', 'turntable',        'Turntable',                'Belt drive, cartridge mounted, switchable preamplifier.',             34900,'USD'),
    ('audio', 'kitchen-radio',    'Kitchen radio',            'Four buttons, one dial. It remembers the station.',                   9900, 'USD'),
    ('audio', 'earphones',        'Earphones',                'Six hours on a charge, three sizes of tips.',                         7900, 'USD'),
    ('audio', 'soundbar',         'Soundbar',                 'Clear speech first; fits below most screens.',                        24900,'USD'),
    ('audio', 'record-shelf',     'Record shelf',             'Holds 110 LPs at an angle you can browse.',                           18900,'USD'),
    ('audio', 'dac-stick',        'USB converter',            'From any USB-C port to a proper headphone output.',                   8900, 'USD'),
    ('audio', 'speaker-stand',    'Speaker stand',            'Steel, filled with sand by you, 61 cm high.',                         6400, 'USD');

INSERT INTO product (id, name, description, category, price_minor, currency)
SELECT a.category || '-' || a.slug || '-' || k.suffix, a.name || ', ' || k.label, a.description,
       a.category, a.price_minor * k.price_percent / 100, a.currency
FROM demo_article a JOIN demo_kind k USING (category)
ON CONFLICT DO NOTHING;

INSERT INTO stock (product_id, available)
SELECT a.category || '-' || a.slug || '-' || k.suffix, k.stock
FROM demo_article a JOIN demo_kind k USING (category)
ON CONFLICT DO NOTHING;

-- The initial stock, as CreateProduct writes it down; its id is made from the product's.
INSERT INTO stock_adjustment (id, product_id, delta)
SELECT md5('demo ' || a.category || '-' || a.slug || '-' || k.suffix)::uuid,
       a.category || '-' || a.slug || '-' || k.suffix, k.stock
FROM demo_article a JOIN demo_kind k USING (category)
ON CONFLICT DO NOTHING;

COMMIT;

ANALYZE product, stock;
